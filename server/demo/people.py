"""Who the simulated people are, and what they have to say."""

NAMES = (
    "alice", "amir", "anna", "ben", "bianca", "carla", "chen", "dario", "dina", "emil", "esra", "farid",
    "fiona", "gita", "hugo", "ida", "ines", "ivan", "jana", "kofi", "lena", "lucas", "maya", "mina", "nils",
    "noor", "olga", "omar", "paula", "quinn", "rosa", "samir", "sofia", "tara", "theo", "uma", "vera", "wei",
    "yara", "zoe",
)  # fmt: skip
LINES = (
    "did you see the light this morning?",
    "on my way",
    "that picture is lovely",
    "haha, yes",
    "who is coming tonight?",
    "I'll bring the film rolls",
    "one more and then home",
    "the harbour was all fog",
    "send me the one with the dog",
    "agreed",
    "tomorrow then?",
    "can't stop looking at it",
)
GREETINGS = (
    "hi! glad that you found me",
    "hello there, welcome. What do you take pictures of?",
    "hey, I have just followed you back",
)
CAPTIONS = (
    "first light #morning",
    "the hills behind the house",
    "no filter, only fog #harbour",
    "found this on an old roll #film",
    "waves, again",
    "evening walk #sunset",
    "one more of the sea",
    "colours I want to keep",
    "quiet day",
    "from the train window #travel",
)
COMMENTS = (
    "lovely light!",
    "where is this?",
    "this one on my wall please",
    "the colours…",
    "wow",
    "how long was the exposure?",
    "makes me want to go out",
    "my favourite of yours so far",
)
EMOJI = ("❤️", "🔥", "👏", "😮")
