"""A model hub in this process: the answers over HTTP that huggingface_hub needs to fill and read a repository."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_FILE = re.compile(r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_COMMIT = re.compile(r"/api/models/(?P<name>[^/]+/[^/]+)/(?P<action>preupload|commit)/main")


class Hub:
    """Repositories by name, each a list of commits, each a dict of file contents."""

    def __init__(self):
        self.repositories: dict[str, list[dict[str, bytes]]] = {}
        self.downloads: list[str] = []

    def commit_of(self, name, revision):
        """Return the name of a commit and its files; the name is what the hub would call its hash."""
        commits = self.repositories[name]
        number = len(commits) - 1 if revision == "main" else [oid(name, n) for n in range(len(commits))].index(revision)
        return oid(name, number), commits[number]


def oid(name, number):
    return hashlib.sha1(f"{name} {number}".encode()).hexdigest()


def handler(hub):
    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for key, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(key.replace("_", "-"), str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self):
            asked = _FILE.fullmatch(self.path)
            if asked is None:
                return self.answer(404)
            try:
                commit, files = hub.commit_of(asked["name"], asked["revision"])
            except KeyError:
                return self.answer(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
            except ValueError:
                return self.answer(404, X_Error_Code="RevisionNotFound", X_Error_Message="Revision not found")
            if asked["file"] not in files:
                return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            content = files[asked["file"]]
            if self.command == "GET":
                hub.downloads.append(asked["file"])
            return self.answer(200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=commit)

        do_GET = do_HEAD

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                hub.repositories.setdefault(name, [])
                return self.answer_json({"url": f"http://{self.headers['Host']}/{name}"})
            if self.path == "/api/validate-yaml":
                return self.answer_json({"errors": [], "warnings": []})
            asked = _COMMIT.fullmatch(self.path)
            if asked is None:
                return self.answer(404)
            if asked["action"] == "preupload":
                files = json.loads(body)["files"]
                modes = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
                return self.answer_json({"files": modes})
            lines = [json.loads(line) for line in body.splitlines()]
            commits = hub.repositories[asked["name"]]
            files = dict(commits[-1]) if commits else {}
            for line in lines:
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            commits.append(files)
            commit = oid(asked["name"], len(commits) - 1)
            url = f"http://{self.headers['Host']}/{asked['name']}/commit/{commit}"
            return self.answer_json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

        def answer_json(self, value):
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    return Answers


@contextmanager
def served():
    """Give a hub and its address, on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
