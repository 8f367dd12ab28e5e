"""The command ``dan``: one file a sub-command, each thin over the library."""
