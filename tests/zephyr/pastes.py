# SPDX-License-Identifier: Apache-2.0
"""What people paste into the shell: files as OpenSSL writes them, and wrong ones."""

import base64
import subprocess


class Tools:
    """OpenSSL in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory

    def path(self, name):
        """A file in the directory."""
        return self.directory / name

    def openssl(self, *arguments):
        """Runs it; gives its standard output."""
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60, cwd=self.directory)
        return done.stdout

    def text(self, *arguments):
        """As `openssl`, for text."""
        return self.openssl(*arguments).decode()

    def certify(self, key):
        """A self-signed certificate for a key; gives its text."""
        self.path("key.pem").write_text(key)
        return self.text("req", "-x509", "-key", "key.pem", "-days", "30", "-sha256", "-subj", "/CN=pasted")

    def ec_key(self):
        """A key in PKCS#8."""
        return self.text("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

    def pair(self, shape):
        """Certificate and key of a shape."""
        key = KEYS[shape](self)
        return self.certify(self.plain or key), key

    # The key alone, where the shape has something around it that `openssl req` would not read.
    plain = None

    def around(self, text):
        """A PKCS#8 key with something done to its text."""
        self.plain = self.ec_key()
        return text(self.plain)

    def pkcs12(self):
        """Key and certificate with their attributes, as from a key store."""
        self.plain = self.ec_key()
        self.path("certificate.pem").write_text(self.certify(self.plain))
        export = ["pkcs12", "-export", "-inkey", "key.pem", "-in", "certificate.pem", "-passout", "pass:word"]
        self.openssl(*export, "-out", "store.p12", "-name", "friendly")
        return self.text("pkcs12", "-in", "store.p12", "-nodes", "-passin", "pass:word")


# Name of a shape, and the key in it.
KEYS = {
    "ecparam": lambda tools: tools.text("ecparam", "-name", "prime256v1", "-genkey"),
    "ecparam-noout": lambda tools: tools.text("ecparam", "-name", "prime256v1", "-genkey", "-noout"),
    "ecparam-p384": lambda tools: tools.text("ecparam", "-name", "secp384r1", "-genkey"),
    "pkcs8": Tools.ec_key,
    "pkcs8-rsa": lambda tools: tools.text("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "pkcs1": lambda tools: tools.text("genrsa", "-traditional", "2048"),
    "pkcs12": Tools.pkcs12,
    "text-before": lambda tools: tools.around(lambda key: "My device's key, made today:\n\n" + key),
    "crlf": lambda tools: tools.around(lambda key: key.replace("\n", "\r\n")),
    "byte-order-mark": lambda tools: tools.around(lambda key: "\ufeff" + key),
    "indented": lambda tools: tools.around(lambda key: "".join(f"    {line}\n" for line in key.splitlines())),
    "no-last-newline": lambda tools: tools.around(str.rstrip),
    "one-line": lambda tools: tools.around(one_line),
    "certificate-behind": lambda tools: tools.around(lambda key: key + tools.certify(key)),
}


def one_line(key):
    """The base64 in one line, as from tools that do not wrap it."""
    begin, *body, end = key.splitlines()
    return "\n".join([begin, "".join(body), end, ""])


def encrypted(tools, *options):
    """A key that is protected by a passphrase."""
    tools.path("key.pem").write_text(tools.ec_key())
    return tools.openssl(*options, "-in", "key.pem", "-aes128", "-passout", "pass:word")


def certificate(tools):
    """A certificate alone."""
    return tools.certify(tools.ec_key()).encode()


def request(tools):
    """A certificate signing request."""
    tools.path("key.pem").write_text(tools.ec_key())
    return tools.openssl("req", "-new", "-key", "key.pem", "-subj", "/CN=pasted")


def public_key(tools):
    """A public key."""
    tools.path("key.pem").write_text(tools.ec_key())
    return tools.openssl("pkey", "-in", "key.pem", "-pubout")


def der(tools):
    """An RSA key as bytes."""
    tools.path("key.pem").write_text(KEYS["pkcs1"](tools))
    return tools.openssl("pkey", "-in", "key.pem", "-outform", "DER")


def damaged(tools):
    """A key of which a character in the middle was lost and another is none of base64."""
    key = tools.ec_key()
    return (key[:60] + "!" + key[61:]).encode()


def not_a_curve_for_tls(tools):
    """A key on a curve that the device's TLS has not, behind its parameters."""
    return tools.openssl("ecparam", "-name", "secp256k1", "-genkey")


def pem(label, der):
    """PEM with any bytes in it."""
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"


def der_of(text):
    """The bytes of the only block of a PEM text."""
    return base64.b64decode("".join(text.strip().splitlines()[1:-1]))


# Name of a damage, and what it leaves of a DER structure. The PEM around it is in order, and it begins as DER does.
DAMAGES = {
    "cut": lambda whole: whole[:-40],
    "empty": lambda whole: b"\x30\x00",
    "noise": lambda whole: b"\x30\x81\xc8" + bytes(range(200, 0, -1)),
}

CONNECTION_STRING = b"HostName=localhost;DeviceId=x;SharedAccessKey=c2VjcmV0IG9mIGEgcGVyc29uIHdobyBzbGlwcGVk\n"
BASE64 = b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n"

# Name of a case: the command, what is pasted, and what is said of it.
WRONG = {
    "encrypted-pkcs8": lambda tools: ("key", encrypted(tools, "pkey"), "openssl pkey -in KEY"),
    "encrypted-sec1": lambda tools: ("key", encrypted(tools, "ec"), "openssl pkey -in KEY"),
    "certificate-as-key": lambda tools: ("key", certificate(tools), "that is a certificate"),
    "request-as-key": lambda tools: ("key", request(tools), "that is a signing request"),
    "public-key-as-key": lambda tools: ("key", public_key(tools), "that is a public key"),
    "connection-string-as-key": lambda tools: ("key", CONNECTION_STRING, "that is a connection string"),
    "der-as-key": lambda tools: ("key", der(tools), "no text|Given up|no -----BEGIN"),
    "damaged-key": lambda tools: ("key", damaged(tools), "not base64"),
    "cut-key": lambda tools: ("key", tools.ec_key()[:150].encode(), "no -----END"),
    "unusable-key": lambda tools: ("key", not_a_curve_for_tls(tools), "mbedTLS cannot use this key"),
    "key-as-certificate": lambda tools: ("certificate", tools.ec_key().encode(), "that is a private key"),
    "keys-as-certificate": lambda tools: ("certificate", 2 * tools.ec_key().encode(), "that is a private key"),
    "ecparam-as-certificate": lambda tools: ("certificate", KEYS["ecparam"](tools).encode(), "that is a private key"),
    "base64-as-root": lambda tools: ("root-ca", BASE64, "no -----BEGIN"),
    "key-as-connection-string": lambda tools: ("connection-string", KEYS["ecparam"](tools).encode(), "that is PEM"),
    "too-long": lambda tools: ("connection-string", 80 * BASE64[:-1] + b"\n", "longer than"),
    "bad-connection-string": lambda tools: ("connection-string", CONNECTION_STRING[:-3] + b"!\n", "base64"),
    "long-binary": lambda tools: ("connection-string", 3 * der(tools), "no text|Given up|longer"),
    "group-key-and-more": lambda tools: ("group-key", 3 * BASE64, "the key of which registration"),
}
