"""Bearer tokens for a test: signed by openssl, with the key set that a broker checks them against."""

import base64
import json
import subprocess
import time


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs with RS256; the key is made by `certificates` under the name `issuer`."""

    def __init__(self, certificates, name="issuer"):
        self.key = certificates.path(f"{name}.key")
        self.id = name
        certificates.run("genrsa", "-out", f"{name}.key", "2048")
        modulus = certificates.run("rsa", "-in", f"{name}.key", "-noout", "-modulus").strip().split("=")[1]
        self.keys = {
            "keys": [{"kty": "RSA", "use": "sig", "kid": name, "alg": "RS256", "n": coded(bytes.fromhex(modulus)), "e": "AQAB"}]
        }
        self.path = certificates.path(f"{name}.jwks")
        with open(self.path, "w") as file:
            json.dump(self.keys, file)

    def token(self, algorithm="RS256", seconds=3600, **claims):
        now = int(time.time())
        header = {"alg": algorithm, "kid": self.id, "typ": "JWT"}
        body = {"sub": "carol", "iss": "https://issuer", "aud": "kafka", "iat": now, "exp": now + seconds, **claims}
        signed = f"{coded(json.dumps(header).encode())}.{coded(json.dumps(body).encode())}"
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), capture_output=True, check=True
        ).stdout
        return f"{signed}.{'' if algorithm == 'none' else coded(signature)}"
