"""Words of the invented news that no question asks about; their order matters, since worlds are drawn from them."""

from __future__ import annotations

# fmt: off
COLOURS = (
    "grey", "amber", "pale", "quiet", "broken", "early", "golden", "hollow", "narrow", "patient", "restless",
    "silver", "sudden", "tired", "velvet", "wooden", "bitter", "brave", "calm", "dusty", "eager", "faint", "gentle",
    "heavy", "idle", "jagged", "keen", "loud", "mild", "neat", "odd", "plain", "quick", "rough", "sharp", "tall",
    "vast", "warm", "young", "stern",
)
THINGS = (
    "lanterns", "porters", "bells", "carts", "gulls", "ledgers", "sails", "masons", "drums", "kettles", "ropes",
    "widows", "barrels", "clerks", "doves", "engines", "flutes", "gardens", "hammers", "islands", "jackets", "knots",
    "ladders", "mirrors", "needles", "orchards", "pilots", "quills", "roofs", "saddles", "towers", "umbrellas",
    "vines", "wagons", "yokes", "anchors", "bridges", "candles", "dancers", "envoys",
)
DEEDS = (
    "waited", "argued", "drifted", "gleamed", "gathered", "hurried", "lingered", "marched", "paused", "rattled",
    "scattered", "trembled", "vanished", "wandered", "bargained", "cheered", "clattered", "counted", "dozed",
    "echoed", "faltered", "glided", "hesitated", "knelt", "laughed", "murmured", "nodded", "parted", "quarrelled",
    "rested", "sang", "stumbled", "toiled", "voted", "watched", "yawned", "boasted", "climbed", "danced", "sighed",
)
LINKS = (
    "while", "as", "until", "because", "although", "before", "after", "when", "since", "where",
)
FOODS = (
    "barley", "honey", "salt", "onion", "pepper", "butter", "lemon", "garlic", "oats", "milk", "cabbage", "turnip",
    "parsley", "vinegar", "almond", "raisin", "apple", "pear", "carrot", "leek",
)
DISHES = (
    "porridge", "soup", "bread", "stew", "pudding", "broth", "pancakes", "dumplings", "noodles", "salad",
)
# fmt: on
STEPS = (
    "stir the {a} slowly",
    "rest the {a} an hour",
    "wash the {a} twice",
    "heat the {a} well",
    "add {a} to taste",
    "chop the {a} finely",
    "cover the {a} and wait",
    "mix {a} with {b}",
    "serve {a} beside {b}",
    "trade {a} for {b} if needed",
)
