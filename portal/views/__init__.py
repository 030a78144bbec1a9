"""Pages that belong to no app: the shell around them all."""

from portal.views.shell import home

__all__ = ["home"]
