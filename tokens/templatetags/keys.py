"""What the templates about tokens ask: whether the person may switch one off and revoke it."""

from django import template

from tokens.issuing import may_change

register = template.Library()
register.filter("changeable_by", may_change)
