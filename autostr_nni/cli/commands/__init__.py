"""The subcommands of `autostr`, one file each."""
