"""A server's folder, made by programs that begin at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from cryptography import x509

from fl_server.cloud.credentials import make_own
from fl_server.cloud.home import CloudHome

TOGETHER = 4


def test_programs_that_begin_at_once_have_one_authority(tmp_path: Path) -> None:
    home, start = CloudHome(tmp_path / "server"), Barrier(TOGETHER)

    def begin() -> bytes:
        start.wait()
        make_own(home, ["localhost"], 1.0)
        return home.authority.certificate.read_bytes()

    with ThreadPoolExecutor(TOGETHER) as pool:
        seen = {future.result() for future in [pool.submit(begin) for _ in range(TOGETHER)]}
    (authority,) = (x509.load_pem_x509_certificate(each) for each in seen)
    for pair in (home.inner, home.public):
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        certificate.verify_directly_issued_by(authority)
