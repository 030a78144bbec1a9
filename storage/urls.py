"""Addresses of the pages about images and snapshots, and of uploads."""

from django.urls import path

from storage.views import image_acts, images, snapshots, uploads

urlpatterns = [
    path("images/", images.image_list, name="images"),
    path("images/import/", image_acts.import_page, name="image-import"),
    path("images/fetch/", image_acts.fetch, name="image-fetch"),
    path("images/uploads/", uploads.uploads, name="uploads"),
    path("images/uploads/<str:ec2_id>/", uploads.upload, name="upload"),
    path("images/<str:ec2_id>/", images.image_detail, name="image"),
    path("images/<str:ec2_id>/live/", images.image_live, name="image-live"),
    path("images/<str:ec2_id>/change/", image_acts.change, name="image-change"),
    path("images/<str:ec2_id>/share/", image_acts.share, name="image-share"),
    path("images/<str:ec2_id>/unshare/", image_acts.unshare, name="image-unshare"),
    path("images/<str:ec2_id>/deprecate/", image_acts.deprecate, name="image-deprecate"),
    path("images/<str:ec2_id>/switch/", image_acts.switch, name="image-switch"),
    path("images/<str:ec2_id>/copy/", image_acts.copy, name="image-copy"),
    path("images/<str:ec2_id>/cancel/", image_acts.cancel, name="image-cancel"),
    path("images/<str:ec2_id>/deregister/", image_acts.deregister, name="image-deregister"),
    path("snapshots/", snapshots.snapshot_list, name="snapshots"),
    path("snapshots/<str:ec2_id>/", snapshots.snapshot_detail, name="snapshot"),
    path("snapshots/<str:ec2_id>/share/", snapshots.share, name="snapshot-share"),
    path("snapshots/<str:ec2_id>/unshare/", snapshots.unshare, name="snapshot-unshare"),
    path("snapshots/<str:ec2_id>/copy/", snapshots.copy, name="snapshot-copy"),
    path("snapshots/<str:ec2_id>/image/", snapshots.make_image, name="snapshot-image"),
    path("snapshots/<str:ec2_id>/delete/", snapshots.delete, name="snapshot-delete"),
]
