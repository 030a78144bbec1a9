"""Security groups in the portal."""

import pytest
from django.urls import reverse

from networking.models import NetworkInterface, SecurityGroup
from networking.services import default_network, ssh_group

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(tenant, actor) -> SecurityGroup:
    return ssh_group(tenant, actor=actor)


def address(name: str, group: SecurityGroup) -> str:
    return reverse(name, args=[group.ec2_id])


def inbound(group: SecurityGroup) -> list[str]:
    return [
        f"{r.protocol} {r.from_port}-{r.to_port} {r.peer} {r.description}".strip()
        for r in group.rules.filter(is_egress=False)
    ]


def test_the_list_counts_rules_and_instances(page, group, launch):
    launch(3, groups=[group])

    body = page.get(reverse("security-groups")).content.decode()

    assert f'<a href="{address("security-group", group)}">ssh</a>' in body
    assert '<td data-label="Instances">3</td>' in body


def test_a_group_is_made_and_its_page_opened(page, tenant):
    response = page.post(reverse("security-group-create"), {"name": "web", "description": "for the web"}, follow=True)

    made = SecurityGroup.objects.get(tenant=tenant, name="web")
    assert response.redirect_chain == [(address("security-group", made), 302)]
    assert "Nothing may come in. Add a rule" in response.content.decode()


@pytest.mark.parametrize(
    ("name", "description", "field", "said"),
    [
        ("ssh", "again", "name", "You have a group of this name already"),
        ("default", "x", "name", "reserved security group name"),
        ("sg-1", "x", "name", "does not begin with sg-"),
        ("web", "<b>", "description", "1 to 255 plain characters"),
    ],
)
def test_a_group_that_cannot_be_made_is_refused_beside_its_field(page, group, name, description, field, said):
    response = page.post(reverse("security-group-create"), {"name": name, "description": description})

    assert response.status_code == 422
    assert said in str(response.context["form"].errors[field])


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"what": "http", "peer": "anywhere"}, "tcp 80-80 0.0.0.0/0"),
        ({"what": "https", "peer": "anywhere-6"}, "tcp 443-443 ::/0"),
        ({"what": "tcp", "ports": "8080", "peer": "mine"}, "tcp 8080-8080 127.0.0.1/32"),
        ({"what": "udp", "ports": " 5000 - 5010 ", "peer": "range", "cidr": "10.1.2.3/8"}, "udp 5000-5010 10.0.0.0/8"),
        ({"what": "ping", "peer": "range", "cidr": "fd00::/8", "description": "lab"}, "icmp -1--1 fd00::/8 lab"),
        ({"what": "all", "peer": "anywhere"}, "-1 -1--1 0.0.0.0/0"),
    ],
)
def test_rules_are_added_by_what_is_often_opened_and_by_ports(page, tenant, actor, asked, rule):
    group = default_network(tenant).group
    group.rules.all().delete()
    form = {f"in-{name}": value for name, value in asked.items()}

    response = page.post(address("security-group-add-rule", group), {"way": "in"} | form)

    assert (response.status_code, inbound(group)) == (302, [rule])


def test_a_rule_may_name_a_group_and_go_out(page, tenant, group):
    asked = {"way": "out", "out-what": "postgresql", "out-peer": default_network(tenant).group.ec2_id}

    page.post(address("security-group-add-rule", group), asked)

    rule = group.rules.get(is_egress=True, protocol="tcp")
    assert (rule.peer_group, rule.from_port) == (default_network(tenant).group, 5432)


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"what": "ssh", "peer": "anywhere"}, "what", "has this rule already"),
        ({"what": "tcp", "peer": "anywhere"}, "ports", "Say a port"),
        ({"what": "tcp", "ports": "x", "peer": "anywhere"}, "ports", "Say a port"),
        ({"what": "tcp", "ports": "90-80", "peer": "anywhere"}, "ports", "the first not above the last"),
        ({"what": "tcp", "ports": "70000", "peer": "anywhere"}, "ports", "0 to 65535"),
        ({"what": "http", "peer": "range"}, "cidr", "Say a range"),
        ({"what": "http", "peer": "range", "cidr": "everyone"}, "cidr", "malformed"),
        ({"what": "http", "peer": "anywhere", "description": "<b>"}, "description", "plain characters"),
        ({"what": "http", "peer": "sg-0123456789abcdef0"}, "peer", "not one of the available choices"),
        ({"what": "telnet", "peer": "anywhere"}, "what", "not one of the available choices"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_beside_its_field(page, group, asked, field, said):
    form = {f"in-{name}": value for name, value in asked.items()}

    response = page.post(address("security-group-add-rule", group), {"way": "in"} | form)

    assert response.status_code == 422
    [form] = [form for way, _rules, form in response.context["sides"] if way == "in"]
    assert said in str(form.errors[field])
    assert inbound(group) == ["tcp 22-22 0.0.0.0/0"]


def test_a_rule_is_removed_and_its_removal_again_is_no_error(page, group):
    rule = group.rules.get(is_egress=False).ec2_id

    first = page.post(address("security-group-remove-rule", group), {"rule": rule}, follow=True)
    again = page.post(address("security-group-remove-rule", group), {"rule": rule}, follow=True)

    assert "Removed: TCP 22 from everywhere." in first.content.decode()
    assert "no such rule any more" in again.content.decode()
    assert inbound(group) == []


def test_a_group_in_use_says_who_carries_it_and_is_not_deleted(page, group, launch):
    [instance] = launch(groups=[group])

    body = page.get(address("security-group", group)).content.decode()
    refused = page.post(address("security-group-delete", group), follow=True).content.decode()

    assert reverse("instance", args=[instance.ec2_id]) in body
    assert "It cannot be deleted now" in body
    assert f"Instances carry it: {instance.ec2_id}. Give them another group on their pages first." in refused
    assert SecurityGroup.objects.filter(pk=group.pk).exists()


def test_a_group_that_nobody_carries_is_deleted(page, group):
    response = page.post(address("security-group-delete", group), follow=True)

    assert "Deleted group ssh." in response.content.decode()
    assert not SecurityGroup.objects.filter(pk=group.pk).exists()


def test_pages_of_groups_take_as_many_queries_for_many_as_for_one(page, group, launch, django_assert_max_num_queries):
    launch(20, groups=[group])
    for port in range(1, 30):
        asked = {"way": "in", "in-what": "tcp", "in-ports": str(port), "in-peer": "anywhere"}
        assert page.post(address("security-group-add-rule", group), asked).status_code == (302 if port != 22 else 422)

    with django_assert_max_num_queries(12):
        page.get(address("security-group", group))
    with django_assert_max_num_queries(8):
        page.get(reverse("security-groups"))


def test_the_groups_of_an_instance_are_changed_on_its_page(page, tenant, group, running):
    default = default_network(tenant).group
    where = reverse("instance-groups", args=[running.ec2_id])
    carried = NetworkInterface.objects.get(instance_id=running.ec2_id).groups

    body = page.get(reverse("instance", args=[running.ec2_id])).content.decode()
    assert f'value="{default.ec2_id}" id="groups_groups_0" checked' in body
    page.post(where, {"groups": [group.ec2_id]})
    assert list(carried.all()) == [group]
    refused = page.post(where, {})
    assert (refused.status_code, list(carried.all())) == (422, [group])
    assert "at least one group" in refused.content.decode()
    assert page.post(where, {"groups": ["sg-0123456789abcdef0"]}).status_code == 422
