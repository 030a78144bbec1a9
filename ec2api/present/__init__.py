"""Rows as EC2 describes them, typed by the TypedDicts of types-boto3-ec2 (which only type checkers read)."""
