"""Why an upload, or a part of it, is not taken."""

from msgspec import Struct

from protocol.errors import Refusal
from server.media.sniffing import NAMES


class UploadRefusal(Struct, frozen=True):
    """`status` is what the tus protocol gives its own meaning to, where the code alone would not tell it."""

    refusal: Refusal
    status: int | None = None


NO_SUCH_UPLOAD = UploadRefusal(Refusal("not_found", "there is no such upload"))
EXPIRED = UploadRefusal(Refusal("not_found", "this upload has ended: begin another one"), 410)
ELSEWHERE = UploadRefusal(Refusal("conflict_state", "Upload-Offset: the upload does not stand there: ask by HEAD"), 409)
HELD = UploadRefusal(Refusal("unavailable", "somebody else writes this upload now: try again", 1_000), 423)
OVERRUN = UploadRefusal(Refusal("too_large", "this is more than Upload-Length announced"))
NO_PICTURE = UploadRefusal(Refusal("bad_request", f"this is no picture that is taken: send {NAMES}"), 415)
MISMATCH = UploadRefusal(
    Refusal("bad_request", "Upload-Checksum: other bytes came than were sent: send them again"), 460
)
SLOW = UploadRefusal(Refusal("bad_request", "the body came too slowly: go on from where the upload stands"), 408)
CROWDED = UploadRefusal(
    Refusal("unavailable", "too many uploads at this time for one as slow: go on from where it stands", 1_000)
)
FINISHED = UploadRefusal(Refusal("conflict_state", "this upload is finished"))
NODE_FULL = UploadRefusal(Refusal("unavailable", "too many uploads at this time: try again", 1_000))
USER_FULL = UploadRefusal(
    Refusal("rate_limited", "you have too many uploads at the same time: finish one first", 1_000)
)
DAY_FULL = UploadRefusal(
    Refusal("forbidden", "Upload-Length: this is more, or one file more, than you may still bring in these 24 hours")
)
UNFINISHED_FULL = UploadRefusal(Refusal("conflict_state", "too many uploads are not finished: finish or delete one"))
OVERSIZE = UploadRefusal(Refusal("too_large", "Upload-Length: files may not be as large as that"))
NOT_PUT = UploadRefusal(Refusal("conflict_state", "nothing was put to the URL yet: put it, then complete"))
OTHER_SIZE = UploadRefusal(Refusal("conflict_state", "what was put has another size than announced: put it again"))
NO_DIRECT = UploadRefusal(Refusal("conflict_state", "objects are not in S3 here: upload by tus"))
