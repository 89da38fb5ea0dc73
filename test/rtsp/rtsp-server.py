"""A camera for the tests: H.264 over RTSP behind a login, at /live, 15 pictures a second.

Takes RTSP_PORT (0: a free one), RTSP_USER and RTSP_PASSWORD from its environment, prints the port
once it listens, and ends when its stdin does.
"""

import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

LAUNCH = (
    "( videotestsrc is-live=true pattern=smpte ! video/x-raw,width=320,height=240,framerate=15/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)


def permit(factory, role):
    permissions = GstRtspServer.RTSPPermissions()
    structure = Gst.Structure.new_empty(role)
    for right in ("media.factory.access", "media.factory.construct"):
        structure.set_value(right, True)
    permissions.add_role_from_structure(structure)
    factory.set_permissions(permissions)


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(os.environ["RTSP_PORT"])

    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(os.environ["RTSP_USER"], os.environ["RTSP_PASSWORD"], token)
    server.set_auth(auth)

    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(True)
    permit(factory, "viewer")
    server.get_mount_points().add_factory("/live", factory)

    if server.attach(None) == 0:
        sys.exit("the port can't be opened")
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.IO_HUP, lambda *_: loop.quit())
    loop.run()


main()
