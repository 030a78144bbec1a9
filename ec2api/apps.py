from django.apps import AppConfig


class Ec2ApiConfig(AppConfig):
    name = "ec2api"
    verbose_name = "EC2 API"
