# What the first two stages do, in Nix: every model's facts, and its settings on each profile, laid over one another.
{ project }:
let
  toml = file: builtins.fromTOML (builtins.readFile file);
  maybe = file: if builtins.pathExists file then toml file else { };
  stem = name: builtins.head (builtins.match "(.*)[.]toml" name);
  each = f: names: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  names = folder: builtins.attrNames (builtins.readDir (project + folder));
  lay = low: high: low // builtins.mapAttrs
    (name: value:
      if builtins.isAttrs value && builtins.isAttrs (low.${name} or null) then lay low.${name} value else value)
    high;
  profiles = each (name: (toml (project + "/profiles/${name}.toml")).defaults) (map stem (names "/profiles"));
  subjects = model:
    let
      folder = project + "/models.d/${model}";
      base = maybe (folder + "/base.toml");
    in
    {
      facts = builtins.fromJSON (builtins.readFile (folder + "/discovered.json"));
      settings = builtins.mapAttrs
        (profile: defaults: lay (lay defaults base) (toml (folder + "/${profile}.toml")))
        profiles;
    };
in
each subjects (names "/models.d")
