"""localemu's session server, a third party's end of the data channel, with one port session: arguments HOST PORT.

One JSON line on stdout tells how to reach it: {"url": "ws://127.0.0.1:…", "token": "…"}. It ends with the first connection.

What of localemu 1.3.2 is replaced here: it listens on every address; a stream of a port session is `nc` within a container;
it takes each BytesMessage of wsproto for a whole websocket message, although wsproto hands large reads out in parts, of
which only the last has `message_finished`; and its agent's version is "3.3.0.0-localemu", where Amazon's is four numbers.
It never sends a message again, and checks neither digests nor order.
"""

import json
import socket
import sys
import threading

import wsproto
from localemu.services.ssm import port_mux_bridge, session_manager, session_ws_server
from wsproto.events import BytesMessage

host, port = sys.argv[1], int(sys.argv[2])
over = threading.Event()


class WholeMessages(wsproto.WSConnection):
    """Hands binary messages out only when all of their parts are there."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._parts = bytearray()

    def events(self):
        for event in super().events():
            if not isinstance(event, BytesMessage):
                yield event
                continue
            self._parts += event.data
            if event.message_finished:
                yield BytesMessage(data=bytes(self._parts))
                self._parts.clear()


class Patient(socket.socket):
    """A connection that waits where the destination is slower: the bridge would drop what a socket does not take at once."""

    def setblocking(self, flag):
        super().setblocking(True)


def dial(_container, target_port):
    """Stands where `docker exec … nc` would: there is no process, hence 0."""
    stream = Patient(socket.AF_INET, socket.SOCK_STREAM)
    stream.connect((host, target_port))
    return 0, stream


class LoopbackServer(session_ws_server._ThreadingTcpServer):
    """Listens on loopback alone, and tells when a connection is over."""

    def __init__(self, address, handler):
        super().__init__(("127.0.0.1", address[1]), handler)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            over.set()


def announce(seq, **asked):
    """The handshake's request, with a version of Amazon's."""
    frame = session_manager.handshake_request_frame(seq, **asked)
    request = json.loads(frame.payload)
    request["AgentVersion"] = "3.3.0.0"
    frame.payload = json.dumps(request).encode()
    return frame


wsproto.WSConnection = WholeMessages
session_ws_server.handshake_request_frame = announce
port_mux_bridge._docker_exec_stream_factory = dial
session_ws_server._ThreadingTcpServer = LoopbackServer

session = session_manager.get_session_registry().create(
    target_instance_id="ecs:cluster_task_runtime",
    container_name="none",
    account_id="123456789012",
    region="ap-northeast-1",
    session_type="Port",
    session_properties={"portNumber": str(port), "type": "LocalPortForwarding"},
)
server = session_ws_server.get_ws_server()
listening = server.start()
url = f"ws://127.0.0.1:{listening}/v1/data-channel/{session.session_id}?role=publish_subscribe"
print(json.dumps({"url": url, "token": session.token_value}), flush=True)
# Nobody who wants something waits so long with coming; whoever died before is not waited for.
over.wait(timeout=120)
server.stop()
