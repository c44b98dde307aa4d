"""The Simple API: parse, select files with reasons, download."""
