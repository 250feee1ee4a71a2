"""Shutdowns at the device door: a device learns of one, claims it, follows it and reports (contracts: industrial edge).

A device that gets no 200 to its claim does nothing.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import polling, shutdown_claim
from devices.models import ShutdownTarget
from devices.shutdown_claim import Report
from gateway.dialects import satellite_device_jobs_shapes as shapes
from gateway.dialects.satellite_device import TAG, DeviceEndpoint
from portal import strict_json
from portal.refusal import Invalid

ID = OpenApiParameter("id", str, OpenApiParameter.PATH, description="The id of the job.")
AGAIN = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, response=[200, 204], description="Seconds until the next poll."
)
NOTHING = OpenApiResponse(description="There is no work.")


class JobEndpoint(DeviceEndpoint):
    """The base of all that are about one job; here a member that is repeated is a mistake."""

    def target(self, job_id: str) -> ShutdownTarget:
        return shutdown_claim.find(self.device, job_id)

    def members(self) -> dict[str, Any]:
        try:
            sent = strict_json.loads(self.raw)
        except strict_json.Unreadable as unreadable:
            raise Invalid("body", f"The body cannot be read: {unreadable}.") from unreadable
        if not isinstance(sent, dict):
            raise Invalid("body", "Send a JSON object.")
        return sent


class NextJob(DeviceEndpoint):
    """Whether there is work."""

    @extend_schema(
        tags=[TAG],
        operation_id="device_jobs_next",
        parameters=[AGAIN],
        responses={200: shapes.NextJobSerializer, 204: NOTHING},
        examples=[shapes.NEXT],
    )
    def get(self, request: Request) -> Response:
        """The shutdown that the device may claim; asking claims nothing."""
        target = shutdown_claim.next_for(self.device)
        headers = {"Retry-After": str(polling.seconds())}
        if target is None:
            return Response(status=204, headers=headers)
        return Response(shapes.next_job(target), headers=headers)


class OneJob(JobEndpoint):
    """A shutdown that the device has claimed."""

    @extend_schema(
        tags=[TAG],
        operation_id="device_jobs_retrieve",
        parameters=[ID],
        responses={200: shapes.JobProgressSerializer, 404: shapes.UNKNOWN},
        examples=[shapes.PROGRESS],
    )
    def get(self, request: Request, id: str) -> Response:
        """Who of its apps has acknowledged; ask once a second, and power off when `proceed` is true."""
        waiting = shutdown_claim.progress(self.target(id))
        told = shapes.waiting(waiting)
        return Response({"id": told["id"], "state": told["state"], "proceed": waiting.proceed, **told})


class JobClaim(JobEndpoint):
    """The claim of a shutdown."""

    @extend_schema(
        tags=[TAG],
        operation_id="device_jobs_claim",
        parameters=[ID],
        request=shapes.ClaimSerializer,
        responses={200: shapes.ClaimedSerializer, **shapes.REFUSALS_OF_CLAIM},
        examples=[shapes.CLAIM, shapes.CLAIMED],
    )
    def post(self, request: Request, id: str) -> Response:
        """Take it; from then on it cannot be cancelled. The same claim again is answered the same, so that an answer
        that was lost can be asked for again. On any other answer than 200, and on none, do nothing."""
        nonce = self.members().get("claim")
        if not isinstance(nonce, str):
            raise Invalid("claim", "Send a new random claim, a string of 16 to 64 of A-Z a-z 0-9 _ and -.")
        return Response(shapes.waiting(shutdown_claim.claim(self.target(id), nonce, by=self.actor)))


class JobReport(JobEndpoint):
    """What the device says of a shutdown that it has claimed."""

    @extend_schema(
        tags=[TAG],
        operation_id="device_jobs_report",
        parameters=[ID],
        request=shapes.ReportSerializer,
        responses={200: shapes.ReportedSerializer, **shapes.REFUSALS_OF_REPORT},
        examples=[shapes.REPORT, shapes.REPORTED],
    )
    def post(self, request: Request, id: str) -> Response:
        """Say that it powers off now, that it did, or that it could not; said again it comes to the same."""
        sent = self.members()
        said = {name: sent.get(name, "") for name in ("state", "code", "detail", "device_time")}
        for name, value in said.items():
            if not isinstance(value, str):
                raise Invalid(name, f"{name} is a string.")
        state = shutdown_claim.report(self.target(id), Report(**said), by=self.actor)
        return Response({"id": id, "state": state})
