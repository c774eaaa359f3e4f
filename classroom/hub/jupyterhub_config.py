"""JupyterHub for one class on one Linux machine; README.md beside this file says how to use it.

Students log in with the accounts that room.py made, each server runs under its student's own account, and
systemd holds each to its share of the memory. What differs from room to room stands at the top; anything may
also be changed on the command line, such as ``--JupyterHub.spawner_class=localprocess`` where there is no
systemd (then nothing limits memory).
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821

# --- your room ----------------------------------------------------------------------------------------------

#: Made by `room.py folders`: the cache that all students read, and the drop box for the class's thumbs.
FOLDER = os.environ.get("ROOM_FOLDER", "/srv/cats-to-kto")
#: Unix groups, made by `room.py`: who may log in, and who sees the admin page and reads the class's thumbs.
STUDENTS, INSTRUCTORS = "students", "instructors"
#: What a student's server and all of its notebooks may use together; README.md has the measured sizes.
MEMORY = "2G"
#: A server that nobody has used for this long is stopped; files stay, kernels end.
IDLE_SECONDS = 60 * 60

# --- the hub ------------------------------------------------------------------------------------------------

# Only this machine reaches it: a web server with a certificate stands before it, so that no password
# crosses the room's Wi-Fi unencrypted.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {STUDENTS, INSTRUCTORS}
c.PAMAuthenticator.admin_groups = {INSTRUCTORS}
c.JupyterHub.spawner_class = "systemd"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"
# Over TCP, anyone with an account could listen to what others' notebooks print; a socket is a file of theirs.
c.Spawner.args = ["--KernelManager.transport=ipc"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
# A server that died is noticed, and can be started again, after at most so many seconds.
c.Spawner.poll_interval = 10
c.Spawner.mem_limit = MEMORY
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.default_shell = "/bin/bash"

# --- what students' notebooks know --------------------------------------------------------------------------

c.Spawner.environment = {
    # `python` in a notebook's terminal is the course's own.
    "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
    # Without a dot, so that students see it in JupyterLab and can download their work.
    "COURSE_HOME": "~/cats-to-kto-work",
    "COURSE_CACHE": f"{FOLDER}/cache",
    "COURSE_CLASS": f"{FOLDER}/class",
    # More threads than cores make everybody wait: one each.
    "OMP_NUM_THREADS": "1",
    # What may be set where the hub is started, for everybody; nothing else of that environment is passed on.
    **{
        name: os.environ[name]
        for name in ("COURSE_SEED", "COURSE_TIER", "COURSE_SMOKE")
        if name in os.environ
    },
}

# --- servers that nobody uses -------------------------------------------------------------------------------

c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_SECONDS}"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
