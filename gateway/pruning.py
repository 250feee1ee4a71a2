"""Which certificates ended so long ago that `prune` removes what is remembered of them."""

from gateway.models import IssuedCertificate
from portal import pruning

pruning.register("device_certificates", lambda before: IssuedCertificate.objects.filter(not_after__lt=before))
