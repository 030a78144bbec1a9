"""Addresses of the pages about instances, and what they need."""

from django.urls import path

from compute.views import (
    addresses,
    instance,
    instances,
    key_pairs,
    launch,
    launch_templates,
    placement_groups,
    security_groups,
)

urlpatterns = [
    path("instances/", instances.instance_list, name="instances"),
    path("instances/rows/", instances.instance_rows, name="instance-rows"),
    path("instances/confirm/", instances.confirm, name="confirm"),
    path("instances/act/", instances.act, name="act"),
    path("instances/launch/", launch.launch, name="launch"),
    path("instances/launch/preview/", launch.preview, name="launch-preview"),
    path("instances/<str:ec2_id>/", instance.instance_detail, name="instance"),
    path("instances/<str:ec2_id>/live/", instance.instance_live, name="instance-live"),
    path("instances/<str:ec2_id>/console/", instance.instance_console, name="instance-console"),
    path("instances/<str:ec2_id>/rename/", instance.rename, name="instance-rename"),
    path("instances/<str:ec2_id>/tags/add/", instance.add_tag, name="instance-add-tag"),
    path("instances/<str:ec2_id>/tags/remove/", instance.remove_tag, name="instance-remove-tag"),
    path("instances/<str:ec2_id>/attributes/", instance.attributes, name="instance-attributes"),
    path("instances/<str:ec2_id>/template/", launch_templates.from_instance, name="instance-template"),
    path("launch-templates/", launch_templates.launch_template_list, name="launch-templates"),
    path("launch-templates/save/", launch_templates.save, name="launch-template-save"),
    path("launch-templates/<str:ec2_id>/", launch_templates.launch_template_detail, name="launch-template"),
    path("launch-templates/<str:ec2_id>/default/", launch_templates.set_default, name="launch-template-default"),
    path(
        "launch-templates/<str:ec2_id>/delete-version/", launch_templates.delete_version, name="launch-template-prune"
    ),
    path("launch-templates/<str:ec2_id>/delete/", launch_templates.delete, name="launch-template-delete"),
    path("placement-groups/", placement_groups.placement_group_list, name="placement-groups"),
    path("placement-groups/create/", placement_groups.create, name="placement-group-create"),
    path("placement-groups/<str:ec2_id>/delete/", placement_groups.delete, name="placement-group-delete"),
    path("instances/<str:ec2_id>/groups/", instance.groups, name="instance-groups"),
    path("key-pairs/", key_pairs.key_pair_list, name="key-pairs"),
    path("key-pairs/create/", key_pairs.create, name="key-pair-create"),
    path("key-pairs/import/", key_pairs.import_, name="key-pair-import"),
    path("key-pairs/<str:ec2_id>/delete/", key_pairs.delete, name="key-pair-delete"),
    path("security-groups/", security_groups.group_list, name="security-groups"),
    path("security-groups/create/", security_groups.create, name="security-group-create"),
    path("security-groups/<str:ec2_id>/", security_groups.group_page, name="security-group"),
    path("security-groups/<str:ec2_id>/add/", security_groups.add_rule, name="security-group-add-rule"),
    path("security-groups/<str:ec2_id>/remove/", security_groups.remove_rule, name="security-group-remove-rule"),
    path("security-groups/<str:ec2_id>/delete/", security_groups.delete, name="security-group-delete"),
    path("addresses/", addresses.address_list, name="addresses"),
    path("addresses/allocate/", addresses.allocate, name="address-allocate"),
    path("addresses/<str:ec2_id>/", addresses.address_page, name="address"),
    path("addresses/<str:ec2_id>/associate/", addresses.associate, name="address-associate"),
    path("addresses/<str:ec2_id>/disassociate/", addresses.disassociate, name="address-disassociate"),
    path("addresses/<str:ec2_id>/release/", addresses.release, name="address-release"),
]
