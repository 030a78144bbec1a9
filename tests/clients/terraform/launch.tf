# What anybody begins with.
data "aws_ami" "tiny" {
  owners      = ["amazon"]
  most_recent = true
  filter {
    name   = "name"
    values = ["yushan-*"]
  }
}

data "aws_availability_zones" "all" {
  state = "available"
}

data "aws_subnets" "default" {
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

resource "aws_key_pair" "me" {
  key_name   = "terraform"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl terraform"
  tags       = { Name = "terraform" }
}

resource "aws_security_group" "ssh" {
  name        = "terraform"
  description = "SSH"

  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_instance" "one" {
  ami                    = data.aws_ami.tiny.id
  instance_type          = "t2.nano"
  key_name               = aws_key_pair.me.key_name
  subnet_id              = data.aws_subnets.default.ids[0]
  vpc_security_group_ids = [aws_security_group.ssh.id]
  user_data              = "#!/bin/sh\necho hello\n"
  tags                   = { Name = "terraform" }

  root_block_device {
    volume_size = 2
  }
}
