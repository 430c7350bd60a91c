"""The command line: what was asked, and how the answer is shown. Decides nothing that the stages decide."""
