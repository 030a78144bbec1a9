"""The actions, one module for each kind of thing; the registry imports them all."""
