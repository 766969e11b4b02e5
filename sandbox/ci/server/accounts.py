"""People and credentials as objects of the remote API."""

from __future__ import annotations

from urllib.parse import quote

from sandbox.ci.server import credentials
from sandbox.ci.server.exposed import Bean
from sandbox.ci.store import Store


class Accounts:
    """Makes the objects of one request; `url` is the server's address as the client knows it."""

    def __init__(self, store: Store, url: str) -> None:
        self._store, self._url = store, url

    def user(self, id: str) -> Bean | None:
        row = self._store.user(id)
        if row is None:
            return None
        fields = {
            "absoluteUrl": f"{self._url}user/{quote(id, safe='')}",
            "description": row["description"] or None,
            "fullName": row["full_name"],
            "id": id,
            "property": [{"_class": "jenkins.security.ApiTokenProperty"}],
        }
        return Bean("hudson.model.User", fields, ("absoluteUrl", "fullName"))

    def people(self) -> Bean:
        users = [
            {"_class": "hudson.model.View$UserInfo", "lastChange": None, "project": None, "user": self.user(id)}
            for id in self._store.users()
        ]
        return Bean("hudson.model.View$AsynchPeople$People", {"users": users})

    def credential_stores(self) -> Bean:
        return Bean(
            "com.cloudbees.plugins.credentials.ViewCredentialsAction$RootActionImpl", {"stores": {"system": {}}}
        )

    def credential_store(self, owner: str) -> Bean:
        domains = {name: self.domain(owner, name) for name in self._store.domains(owner)}
        name = "folder" if owner else "system"
        return Bean(
            "com.cloudbees.hudson.plugins.folder.properties.FolderCredentialsProvider$FolderCredentialsProperty"
            "$CredentialsStoreActionImpl"
            if owner
            else "com.cloudbees.plugins.credentials.SystemCredentialsProvider$UserFacingAction",
            {"domains": domains, "name": name},
        )

    def domain(self, owner: str, name: str) -> Bean:
        everything = name == "_"
        fields = {
            "credentials": lambda: [
                self.credential(owner, name, id, xml) for id, xml in self._store.credentials(owner, name).items()
            ],
            "description": "Credentials that should be available irrespective of domain." if everything else "",
            "displayName": "Global credentials (unrestricted)" if everything else name,
            "fullDisplayName": f"{owner or 'System'} » {'Global credentials (unrestricted)' if everything else name}",
            "fullName": f"{owner or 'system'}/{name}",
            "global": everything,
            "urlName": name,
        }
        cls = "com.cloudbees.plugins.credentials.CredentialsStoreAction$DomainWrapper"
        return Bean(cls, fields, ("urlName",))

    def credential(self, owner: str, domain: str, id: str, xml: str) -> Bean:
        read = credentials.read(xml)
        shown = f"{read.username}/******" if read.username else read.file_name or read.description or id
        fields = {
            "description": read.description,
            "displayName": shown,
            "fingerprint": None,
            "fullName": f"{owner or 'system'}/{domain}/{id}",
            "id": id,
            "typeName": credentials.type_name(xml),
        }
        cls = "com.cloudbees.plugins.credentials.CredentialsStoreAction$CredentialsWrapper"
        return Bean(cls, fields, ("description", "displayName", "fingerprint", "fullName", "id", "typeName"))
