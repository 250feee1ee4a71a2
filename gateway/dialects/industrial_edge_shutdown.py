"""Shutdowns as apps on devices ask for them, follow them, take them back and acknowledge them (seed 000)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import shutdown, shutdown_acks, shutdown_cancel, shutdown_refusals
from devices.models import ShutdownTarget, TargetState, Via
from gateway.dialects import industrial_edge_shutdown_examples as examples
from gateway.dialects import industrial_edge_shutdown_shapes as shapes
from gateway.dialects.industrial_edge import SHUTDOWN as PATH
from gateway.dialects.industrial_edge import TAG, EdgeRefusal, edge_app
from gateway.dialects.industrial_edge_app import AppEndpoint
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.refusal import Invalid
from tokens.registration import SHUTDOWN

JOB = OpenApiParameter("job", str, OpenApiParameter.PATH, description="The id of the job.")
PLACE = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[202, 409], description="Where to follow the job."
)


class OpenJob(EdgeRefusal):
    status, code = 409, "shutdown.openJob"

    def __init__(self, device: str, job_id: object) -> None:
        super().__init__(f"{device} has a shutdown already that is still open; follow it at {_place(job_id)}.")
        self.location = _place(job_id)


class UnknownJob(EdgeRefusal):
    status, code = 404, "shutdown.unknownJob"


class NotYours(EdgeRefusal):
    status, code = 403, "shutdown.notYours"


class NotClaimed(EdgeRefusal):
    status, code = 409, "shutdown.notClaimed"


class TooLate(EdgeRefusal):
    status, code = 409, "shutdown.tooLate"


class ShutdownEndpoint(AppEndpoint):
    """The base of all."""

    def find(self, job: str) -> ShutdownTarget:
        try:
            return shutdown_acks.find(self.app.device, job)
        except shutdown_refusals.UnknownForDevice as unknown:
            raise UnknownJob(f"There is no such shutdown for {self.app.device}; ask with POST {PATH}.") from unknown


class Shutdown(ShutdownEndpoint):
    """The documented path."""

    @extend_schema(
        tags=[TAG],
        operation_id="edge_shutdown",
        parameters=[IDEMPOTENCY_KEY, PLACE],
        request=shapes.EdgeShutdownSerializer,
        responses={202: shapes.EdgeAcceptedSerializer, **examples.REFUSALS_OF_ORDER},
        examples=[examples.ASKED, examples.ACCEPTED],
    )
    def post(self, request: Request) -> Response:
        """Ask for the shutdown of the device on which the app is. Nothing waits for the device: a connection that
        breaks now may have been cut by the shutdown."""
        self.demand(SHUTDOWN)
        answer: Response = self.order(request)
        return answer

    @idempotent
    def order(self, request: Request) -> Response:
        wanted = shapes.order_in(request, self.installed, self.app.device)
        try:
            job = shutdown.order(
                wanted,
                by=self.actor,
                via=Via.EDGE_APP,
                app=self.installed.app.name,
                installation=self.app.installation,
            )
        except (shutdown_refusals.NotPossible, Invalid) as no:
            if no.code == "open_job":
                raise OpenJob(self.app.device, (no.details or {})["shutdown"]) from no
            edge_app(request)  # Who has lost its place in this moment is told so.
            raise
        told = {"status": "accepted", **shapes.job(job.targets.select_related("job").get())}
        return Response(told, 202, headers={"Location": _place(job.pk)})


class ShutdownAtService(Shutdown):
    """The path of the first answer of seed 000."""

    @extend_schema(
        tags=[TAG],
        operation_id="edge_shutdown_at_service",
        parameters=[IDEMPOTENCY_KEY, PLACE],
        request=shapes.EdgeShutdownSerializer,
        responses={202: shapes.EdgeStatusSerializer, **examples.REFUSALS_OF_ORDER},
        examples=[examples.ASKED, examples.STATUS],
    )
    def post(self, request: Request) -> Response:
        """The same as /device/edge/api/v2/shutdown, and only its `status` is answered."""
        answer = super().post(request)
        answer.data = {"status": answer.data["status"]}
        return answer


class Job(ShutdownEndpoint):
    """One shutdown, as the apps of one of its devices see it."""

    @extend_schema(
        tags=[TAG],
        operation_id="edge_shutdown_job",
        parameters=[JOB],
        responses={200: shapes.EdgeJobSerializer, **examples.REFUSALS_OF_JOB},
        examples=[examples.JOB],
    )
    def get(self, request: Request, job: str) -> Response:
        """How far it is, whoever asked for it; ask once a second at most."""
        return Response(shapes.job(self.find(job)))

    @extend_schema(
        tags=[TAG],
        operation_id="edge_shutdown_cancel",
        parameters=[JOB],
        responses={200: shapes.EdgeJobSerializer, **examples.REFUSALS_OF_CANCEL},
        examples=[examples.CANCELLED],
    )
    def delete(self, request: Request, job: str) -> Response:
        """Take back what an app of this device asked for, while the device has not claimed it."""
        self.demand(SHUTDOWN)
        target = self.find(job)
        if target.job.via != Via.EDGE_APP:
            raise NotYours(f"This shutdown was ordered by {target.job.requested_by}; only people can cancel it.")
        try:
            shutdown_cancel.cancel(target.job, by=self.actor)
        except shutdown_refusals.TooLate as late:
            # What is cancelled already may be cancelled again: the first answer may have been lost.
            if self.find(job).state != TargetState.CANCELLED:
                raise TooLate(str(late)) from late
        return Response(shapes.job(self.find(job)))


class Pending(ShutdownEndpoint):
    """What the device has claimed."""

    @extend_schema(
        tags=[TAG],
        operation_id="edge_shutdown_pending",
        responses={200: shapes.EdgePendingSerializer, 204: examples.NOTHING, **examples.REFUSALS},
        examples=[examples.PENDING],
    )
    def get(self, request: Request) -> Response:
        """The shutdown that the device has claimed and that its apps may acknowledge; ask every 2 s at most."""
        target = shutdown_acks.pending(self.app.device)
        if target is None:
            return Response(status=204)
        return Response(shapes.pending(target, self.app.installation))


class Ack(ShutdownEndpoint):
    """An app says that it is ready."""

    @extend_schema(
        tags=[TAG],
        operation_id="edge_shutdown_acknowledge",
        parameters=[JOB],
        request=shapes.EdgeAckSerializer,
        responses={200: shapes.EdgeAcknowledgedSerializer, **examples.REFUSALS_OF_ACK},
        examples=[examples.ACK, examples.ACKNOWLEDGED],
    )
    def post(self, request: Request, job: str) -> Response:
        """Acknowledge; said again it comes to the same. No app can veto."""
        detail: Any = shapes.detail_in(request)
        target = self.find(job)
        try:
            ack = shutdown_acks.acknowledge(target, self.named, by=self.actor, detail=detail)
        except shutdown_refusals.NotClaimed as early:
            raise NotClaimed(f"The device has not claimed this shutdown yet; GET {PATH}/pending tells when.") from early
        except shutdown_refusals.TooLate as late:
            raise TooLate(str(late)) from late
        return Response(shapes.acknowledged(target, ack))


def _place(job_id: object) -> str:
    return f"{PATH}/{job_id}"
