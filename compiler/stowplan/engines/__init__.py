"""What engines accept, as data: one flag table per engine and version, captured from that engine."""
