"""Programs that run beside an engine and say what it accepts; nothing here is imported by Stowplan."""
