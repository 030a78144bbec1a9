"""This machine as a host: a private libvirtd for one DATA_DIR, with root or without."""
