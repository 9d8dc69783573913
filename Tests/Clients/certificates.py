"""Certificates for a test, made by openssl: an authority, what it has signed, what it has not, and what has expired."""

import pathlib
import subprocess


class Certificates:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.authority("ca", "/CN=Millrace test authority")
        self.authority("foreign-ca", "/CN=Another authority")
        self.sign("server", "/CN=localhost/O=Millrace", names="DNS:localhost,IP:127.0.0.1")
        self.sign("elsewhere", "/CN=elsewhere.example", names="DNS:elsewhere.example")
        self.sign("expired-server", "/CN=localhost", names="DNS:localhost,IP:127.0.0.1", days=-1)
        self.sign("alice", "/CN=alice/OU=Users/O=Millrace")
        self.sign("expired", "/CN=alice/OU=Users/O=Millrace", days=-1)
        self.sign("foreign", "/CN=alice/OU=Users/O=Millrace", authority="foreign-ca")

    def path(self, name):
        return str(self.directory / name)

    @property
    def ca(self):
        return self.path("ca.pem")

    def run(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def authority(self, name, subject):
        self.run(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", subject,
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )

    def sign(self, name, subject, names=None, days=30, authority="ca"):
        """Makes NAME.key, NAME.pem (the certificate), NAME.both.pem (with the key) and NAME.p12 (password: keystore)."""
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        if days > 0:
            self.run(
                "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial",
                "-extfile", extensions.name, "-out", f"{name}.pem", "-days", str(days),
            )
        else:
            self.sign_for_the_past(name, authority, extensions.name)
        both = (self.directory / f"{name}.key").read_text() + (self.directory / f"{name}.pem").read_text()
        (self.directory / f"{name}.both.pem").write_text(both)
        self.run(
            "pkcs12", "-export", "-inkey", f"{name}.key", "-in", f"{name}.pem", "-certfile", f"{authority}.pem", "-out", f"{name}.p12",
            "-passout", "pass:keystore",
        )

    def sign_for_the_past(self, name, authority, extensions):
        """Only `openssl ca` signs for a time of one's choice, and it wants a configuration and a database."""
        (self.directory / "index.txt").write_text("")
        (self.directory / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
            "[p]\ncommonName=supplied\norganizationName=optional\norganizationalUnitName=optional\n"
        )
        self.run(
            "ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", f"{authority}.pem", "-keyfile", f"{authority}.key",
            "-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", extensions, "-startdate", "20200101000000Z",
            "-enddate", "20200201000000Z",
        )
