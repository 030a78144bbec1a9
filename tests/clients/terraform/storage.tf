# Disks, an address and a template.
resource "aws_instance" "two" {
  ami               = data.aws_ami.tiny.id
  instance_type     = "t2.nano"
  availability_zone = data.aws_availability_zones.all.names[0]

  ebs_block_device {
    device_name = "/dev/sdf"
    volume_size = 1
  }

  lifecycle {
    ignore_changes = [ebs_block_device] # the attached volume would be taken for one of them; so it is at Amazon
  }
}

resource "aws_ebs_volume" "data" {
  availability_zone = data.aws_availability_zones.all.names[0]
  size              = 1
  type              = "gp3"
  tags              = { Name = "terraform" }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdg"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.two.id
}

resource "aws_ebs_snapshot" "data" {
  volume_id  = aws_ebs_volume.data.id
  depends_on = [aws_volume_attachment.data]
}

resource "aws_ami_from_instance" "two" {
  name                    = "terraform"
  source_instance_id      = aws_instance.two.id
  snapshot_without_reboot = true
  depends_on              = [aws_volume_attachment.data]
}

resource "aws_eip" "two" {
  domain   = "vpc"
  instance = aws_instance.two.id
}

resource "aws_launch_template" "web" {
  name          = "terraform"
  image_id      = data.aws_ami.tiny.id
  instance_type = "t2.nano"

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 2
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "terraform" }
  }
}
