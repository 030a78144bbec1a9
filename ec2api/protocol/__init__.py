"""The EC2 and STS Query protocols, driven by botocore's service models; nothing of Django is imported here.

Everything a client may send or read back is described by the model that its own SDK was made from, so requests are
read and replies are written by code compiled from that model, and an action never sees XML or a form.
"""
