"""What templates of all apps use."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.navigation import menu

register = template.Library()


@register.simple_tag
def meter(used: int, limit: int, more: int = 0) -> SafeString:
    """A bar of what is used and of what would come to it.  For the eye only: say the numbers beside it."""
    over = used + more > limit
    whole = max(limit, used + more, 1)
    kind = " over" if over and more else " full" if used >= limit else ""
    return format_html(
        '<svg class="meter{}" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="used" height="1" width="{}"/><rect class="more" height="1" x="{}" width="{}"/></svg>',
        kind,
        f"{100 * used / whole:.2f}",
        f"{100 * used / whole:.2f}",
        f"{100 * more / whole:.2f}",
    )


@register.filter
def gib(memory_mib: int) -> str:
    """Memory in GiB, with a fraction where there is one."""
    return f"{memory_mib / 1024:.2f}".rstrip("0").rstrip(".")


@register.inclusion_tag("portal/_navigation.html", takes_context=True)
def navigation(context: template.Context, place: str) -> dict[str, object]:
    """The menu; ``place`` tells one menu of a page from another."""
    membership = context["request"].membership
    return {"groups": menu(membership), "section": context.get("section"), "place": place}


@register.simple_tag(takes_context=True)
def page_link(context: template.Context, number: int) -> str:
    """The query of this page's address with another page number."""
    query = context["query"].copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"
