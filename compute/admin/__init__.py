"""Hosts and instances, for operators."""

from compute.admin import hosts, instances, overview

__all__ = ["hosts", "instances", "overview"]
