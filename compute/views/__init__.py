"""The pages about instances and key pairs."""
