"""The subcommands of ``mdm``: thin edges over the functions that do the work."""
