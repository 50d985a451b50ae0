# A hub for tests: its API alone, in memory.
import os

from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    """Nobody opens a notebook here, so there is nothing to route."""

    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}

    async def check_running(self):
        return True


port = int(os.environ["ROLLCALL_PORT"])
c = get_config()  # noqa: F821
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = port
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}/"
c.JupyterHub.db_url = "sqlite:///:memory:"
c.JupyterHub.cookie_secret = bytes.fromhex(os.environ["ROLLCALL_COOKIE_SECRET"])
c.JupyterHub.services = [{"name": "rollcall", "api_token": os.environ["ROLLCALL_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "rollcall",
        "services": ["rollcall"],
        "scopes": ["admin:users", "admin:groups", "list:users", "list:groups", "read:users", "read:groups", "groups"],
    }
]
