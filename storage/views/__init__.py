"""Pages about images and snapshots, and the tus protocol."""
