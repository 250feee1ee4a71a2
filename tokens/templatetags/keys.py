"""What the templates about tokens ask: whether the person may switch one off or on and revoke it."""

from django import template

from tokens.ending import may_change, may_enable

register = template.Library()
register.filter("changeable_by", may_change)
register.filter("enabled_by", may_enable)
