"""What is measured, beside what; `make bench` runs it all."""
