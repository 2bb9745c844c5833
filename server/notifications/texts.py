"""What a notification says, in its reader's language: who did what to how much, in one sentence."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from protocol.activity import Kind
from server.languages import in_language

NAMED = 2
"""People who are named; the others are counted."""


class Language(Struct, frozen=True):
    """The sentences of one language.

    A list of people is a `pair`, two and one `other`, or two and `{n}` `others`; without names it is a `person` or
    `{n}` `persons`. `one` is what they did to one thing, said of one person and of several, `many` what one person did
    to `{n}` things. `plain` says as little as possible, `several` is about `{n}` notifications.
    """

    pair: str
    other: str
    others: str
    person: str
    persons: str
    one: Mapping[Kind, tuple[str, str]]
    many: Mapping[Kind, str]
    plain: str
    several: str
    title: str = "Tidings"


_EN = Language(
    pair="{a} and {b}",
    other="{a}, {b} and 1 other",
    others="{a}, {b} and {n} others",
    person="Somebody",
    persons="{n} people",
    one={
        "like": ("liked your photo",) * 2,
        "comment": ("commented on your photo",) * 2,
        "comment_like": ("liked your comment",) * 2,
        "reply": ("replied to your comment",) * 2,
        "mention": ("mentioned you",) * 2,
        "follow": ("started following you",) * 2,
        "follow_request": ("asked to follow you",) * 2,
        "follow_accepted": ("accepted your follow request",) * 2,
        "message": ("sent you a message",) * 2,
        "message_request": ("wants to send you a message", "want to send you a message"),
        "story_reply": ("replied to your story",) * 2,
        "story_reaction": ("reacted to your story",) * 2,
        "tag": ("tagged you in a photo",) * 2,
        "close_friend_post": ("posted for close friends",) * 2,
    },
    many={
        "like": "liked {n} of your posts",
        "comment": "commented on {n} of your posts",
        "comment_like": "liked {n} of your comments",
        "reply": "replied to your comments on {n} posts",
        "mention": "mentioned you {n} times",
        "message": "sent you messages in {n} conversations",
        "message_request": "wants to send you {n} messages",
        "story_reply": "replied to {n} of your stories",
        "story_reaction": "reacted to {n} of your stories",
        "tag": "tagged you in {n} photos",
        "close_friend_post": "posted {n} times for close friends",
    },
    plain="You have a new notification",
    several="You have {n} new notifications",
)
_DE = Language(
    pair="{a} und {b}",
    other="{a}, {b} und 1 weitere Person",
    others="{a}, {b} und {n} weitere",
    person="Jemand",
    persons="{n} Personen",
    one={
        "like": ("gefällt dein Foto", "gefällt dein Foto"),
        "comment": ("hat dein Foto kommentiert", "haben dein Foto kommentiert"),
        "comment_like": ("gefällt dein Kommentar", "gefällt dein Kommentar"),
        "reply": ("hat auf deinen Kommentar geantwortet", "haben auf deinen Kommentar geantwortet"),
        "mention": ("hat dich erwähnt", "haben dich erwähnt"),
        "follow": ("folgt dir jetzt", "folgen dir jetzt"),
        "follow_request": ("möchte dir folgen", "möchten dir folgen"),
        "follow_accepted": ("hat deine Anfrage angenommen", "haben deine Anfrage angenommen"),
        "message": ("hat dir geschrieben", "haben dir geschrieben"),
        "message_request": ("möchte dir schreiben", "möchten dir schreiben"),
        "story_reply": ("hat auf deine Story geantwortet", "haben auf deine Story geantwortet"),
        "story_reaction": ("hat auf deine Story reagiert", "haben auf deine Story reagiert"),
        "tag": ("hat dich auf einem Foto markiert", "haben dich auf einem Foto markiert"),
        "close_friend_post": ("hat etwas für enge Freunde geteilt", "haben etwas für enge Freunde geteilt"),
    },
    many={
        "like": "gefallen {n} deiner Beiträge",
        "comment": "hat {n} deiner Beiträge kommentiert",
        "comment_like": "gefallen {n} deiner Kommentare",
        "reply": "hat bei {n} Beiträgen auf deine Kommentare geantwortet",
        "mention": "hat dich {n}-mal erwähnt",
        "message": "hat dir in {n} Unterhaltungen geschrieben",
        "message_request": "möchte dir {n} Nachrichten schreiben",
        "story_reply": "hat auf {n} deiner Storys geantwortet",
        "story_reaction": "hat auf {n} deiner Storys reagiert",
        "tag": "hat dich auf {n} Fotos markiert",
        "close_friend_post": "hat {n}-mal etwas für enge Freunde geteilt",
    },
    plain="Du hast eine neue Mitteilung",
    several="Du hast {n} neue Mitteilungen",
)
_FR = Language(
    pair="{a} et {b}",
    other="{a}, {b} et 1 autre personne",
    others="{a}, {b} et {n} autres personnes",
    person="Quelqu’un",
    persons="{n} personnes",
    one={
        "like": ("a aimé votre photo", "ont aimé votre photo"),
        "comment": ("a commenté votre photo", "ont commenté votre photo"),
        "comment_like": ("a aimé votre commentaire", "ont aimé votre commentaire"),
        "reply": ("a répondu à votre commentaire", "ont répondu à votre commentaire"),
        "mention": ("vous a mentionné", "vous ont mentionné"),
        "follow": ("vous suit désormais", "vous suivent désormais"),
        "follow_request": ("demande à vous suivre", "demandent à vous suivre"),
        "follow_accepted": ("a accepté votre demande", "ont accepté votre demande"),
        "message": ("vous a écrit", "vous ont écrit"),
        "message_request": ("souhaite vous écrire", "souhaitent vous écrire"),
        "story_reply": ("a répondu à votre story", "ont répondu à votre story"),
        "story_reaction": ("a réagi à votre story", "ont réagi à votre story"),
        "tag": ("vous a identifié sur une photo", "vous ont identifié sur une photo"),
        "close_friend_post": ("a publié pour ses amis proches", "ont publié pour leurs amis proches"),
    },
    many={
        "like": "a aimé {n} de vos publications",
        "comment": "a commenté {n} de vos publications",
        "comment_like": "a aimé {n} de vos commentaires",
        "reply": "a répondu à vos commentaires sur {n} publications",
        "mention": "vous a mentionné {n} fois",
        "message": "vous a écrit dans {n} conversations",
        "message_request": "souhaite vous envoyer {n} messages",
        "story_reply": "a répondu à {n} de vos stories",
        "story_reaction": "a réagi à {n} de vos stories",
        "tag": "vous a identifié sur {n} photos",
        "close_friend_post": "a publié {n} fois pour ses amis proches",
    },
    plain="Vous avez une nouvelle notification",
    several="Vous avez {n} nouvelles notifications",
)
_ES = Language(
    pair="{a} y {b}",
    other="{a}, {b} y 1 persona más",
    others="{a}, {b} y {n} personas más",
    person="Alguien",
    persons="{n} personas",
    one={
        "like": ("ha indicado que le gusta tu foto", "han indicado que les gusta tu foto"),
        "comment": ("ha comentado tu foto", "han comentado tu foto"),
        "comment_like": ("ha indicado que le gusta tu comentario", "han indicado que les gusta tu comentario"),
        "reply": ("ha respondido a tu comentario", "han respondido a tu comentario"),
        "mention": ("te ha mencionado", "te han mencionado"),
        "follow": ("ha empezado a seguirte", "han empezado a seguirte"),
        "follow_request": ("quiere seguirte", "quieren seguirte"),
        "follow_accepted": ("ha aceptado tu solicitud", "han aceptado tu solicitud"),
        "message": ("te ha escrito", "te han escrito"),
        "message_request": ("quiere escribirte", "quieren escribirte"),
        "story_reply": ("ha respondido a tu historia", "han respondido a tu historia"),
        "story_reaction": ("ha reaccionado a tu historia", "han reaccionado a tu historia"),
        "tag": ("te ha etiquetado en una foto", "te han etiquetado en una foto"),
        "close_friend_post": ("ha publicado para sus mejores amigos", "han publicado para sus mejores amigos"),
    },
    many={
        "like": "ha indicado que le gustan {n} de tus publicaciones",
        "comment": "ha comentado {n} de tus publicaciones",
        "comment_like": "ha indicado que le gustan {n} de tus comentarios",
        "reply": "ha respondido a tus comentarios en {n} publicaciones",
        "mention": "te ha mencionado {n} veces",
        "message": "te ha escrito en {n} conversaciones",
        "message_request": "quiere enviarte {n} mensajes",
        "story_reply": "ha respondido a {n} de tus historias",
        "story_reaction": "ha reaccionado a {n} de tus historias",
        "tag": "te ha etiquetado en {n} fotos",
        "close_friend_post": "ha publicado {n} veces para sus mejores amigos",
    },
    plain="Tienes una notificación nueva",
    several="Tienes {n} notificaciones nuevas",
)
LANGUAGES: Mapping[str, Language] = {"en": _EN, "de": _DE, "fr": _FR, "es": _ES}


def language(locale: str | None) -> Language:
    """The sentences for a reader of this locale."""
    return in_language(LANGUAGES, locale)


def sentence(locale: str | None, kind: Kind, names: Sequence[str], actors: int, targets: int, excerpt: str = "") -> str:
    """What `actors` people, of whom `names` are known, did to `targets` things. `excerpt` is what one of them said."""
    words = language(locale)
    if kind == "system":
        return excerpt or words.plain
    if kind not in words.one:
        # A later release told it: it is not what keeps anybody from their list, or a window open.
        return words.plain
    many = words.many.get(kind) if targets > 1 else None
    said = many.format(n=targets) if many else words.one[kind][actors > 1]
    text = f"{people(words, names, actors)} {said}"
    return f"{text}: {excerpt}" if excerpt and actors == targets == 1 else text


def people(words: Language, names: Sequence[str], count: int) -> str:
    """`count` people, at most two of them by name."""
    match count, names[:NAMED]:
        case _, []:
            return words.person if count <= 1 else words.persons.format(n=count)
        case 1, [a, *_]:
            return a
        case 2, [a, b]:
            return words.pair.format(a=a, b=b)
        case 3, [a, b]:
            return words.other.format(a=a, b=b, n=1)
        case _, [a, b]:
            return words.others.format(a=a, b=b, n=count - NAMED)
        case _, [a]:
            rest = words.persons.format(n=count - 1) if count > 2 else words.person.lower()
            return words.pair.format(a=a, b=rest)
        case _:
            raise AssertionError(names)
