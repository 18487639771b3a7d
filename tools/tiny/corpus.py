#!/usr/bin/env python3
"""Seeded generator of the English text that plexus-tiny is trained on.

Every sentence comes from the grammar in this file; nothing is read from
outside.  A document is a list of parts, each part a plain string or one of
the control tokens below, so that text can never spell a control token.

    python3 corpus.py --seed 1 --docs 20          print some documents

Templates are ordinary str.format strings over characters and things, with
one addition: [one|two|three] picks one of the alternatives, and may nest.
"""
import argparse
import random
import re

EOT = "<|endoftext|>"
SYSTEM = "<|system|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
CONTROL = [EOT, SYSTEM, USER, ASSISTANT]

# --------------------------------------------------------------------------
# Words
# --------------------------------------------------------------------------

SHE = """Mia Luna Ada Nell Poppy Ruby Hazel Lily Tess Clara Elsie Molly Daisy
Ivy Anna Rose Wren Nora Bella Zoe Fern Lucy""".split()
HE = """Pip Finn Otto Milo Tam Hugo Leo Max Ned Oscar Theo Sam Ben Jack Tom
Bruno Felix Rufus Toby Will Jasper Arlo""".split()

# kind: (adjectives, homes, something it loves)
_burrow = ["in a cosy burrow under the hill", "in a warm burrow near the meadow"]
_tree = ["in a hollow tree in the forest", "in an old oak tree by the river"]
_water = ["by a quiet pond", "near a bright blue lake", "beside the river"]
_farm = ["on a small farm", "in a red barn near the village"]
_house = ["in a small house near the forest", "in a quiet village by the sea",
          "in a white house on the hill", "in a cottage beside the river"]
_cave = ["in a cave in the mountains", "in a deep cave near the forest"]

ANIMALS = {
    "fox": (["red", "clever"], _burrow + ["in the green forest"]),
    "rabbit": (["white", "shy"], _burrow),
    "mouse": (["grey", "shy"], ["in a tiny house under the stairs",
                                "in a hole near the old mill"]),
    "bear": (["brown", "gentle"], _cave),
    "hedgehog": (["shy", "round"], ["under a pile of leaves in the garden"] + _burrow),
    "squirrel": (["red", "quick"], _tree),
    "owl": (["grey", "clever"], _tree),
    "frog": (["green", "cheerful"], _water),
    "duck": (["yellow", "cheerful"], _water),
    "otter": (["brown", "playful"], _water),
    "beaver": (["brown", "busy"], _water),
    "badger": (["grey", "gentle"], _burrow),
    "mole": (["shy", "busy"], _burrow),
    "turtle": (["green", "slow"], _water),
    "snail": (["slow", "gentle"], ["under a leaf in the garden"]),
    "bee": (["busy", "yellow"], ["in a hive in the garden"]),
    "cat": (["black", "lazy"], _house),
    "dog": (["brown", "playful"], _house + _farm),
    "pony": (["white", "proud"], _farm),
    "goat": (["white", "proud"], _farm + ["on the green mountain"]),
    "lamb": (["white", "gentle"], _farm),
    "pig": (["pink", "cheerful"], _farm),
    "crow": (["black", "clever"], _tree),
    "bird": (["blue", "cheerful"], ["in a nest in a tall tree"]),
    "deer": (["quick", "shy"], ["in the green forest"]),
    "lion": (["brave", "proud"], ["in a warm and sunny land"]),
    "elephant": (["grey", "gentle"], ["in a warm and sunny land"]),
    "dragon": (["green", "friendly"], _cave),
    "robot": (["silver", "helpful"], ["in a workshop in the city"]),
}
PEOPLE = {
    "girl": ("she", ["brave", "clever"], _house),
    "boy": ("he", ["brave", "clever"], _house),
    "princess": ("she", ["kind", "brave"], ["in a castle on the hill"]),
    "prince": ("he", ["kind", "brave"], ["in a castle on the hill"]),
    "farmer": (None, ["kind", "busy"], ["on a small farm"]),
    "baker": (None, ["kind", "cheerful"], ["in a busy little town"]),
    "sailor": (None, ["brave", "cheerful"], ["in a quiet village by the sea"]),
    "shepherd": (None, ["kind", "patient"], ["on the green mountain"]),
    "painter": (None, ["kind", "quiet"], ["in a busy little town"]),
    "gardener": (None, ["kind", "patient"], ["in a cottage beside the river"]),
    "wizard": ("he", ["clever", "kind"], ["in a tall stone tower"]),
    "giant": ("he", ["gentle", "kind"], _cave),
}
ELDERS = [("owl", "he"), ("owl", "she"), ("turtle", "he"), ("bear", "she"),
          ("woman", "she"), ("man", "he"), ("crow", "she"), ("goat", "he"),
          ("badger", "he"), ("king", "he"), ("queen", "she")]

COLOURS = ["red", "blue", "green", "yellow", "white", "silver", "golden"]
# thing: adjectives
TOYS = {
    "kite": COLOURS, "ball": COLOURS, "drum": ["red", "little", "blue"],
    "lantern": ["old", "bright", "little"], "hat": COLOURS + ["warm"],
    "scarf": COLOURS + ["warm"], "key": ["golden", "silver", "old", "little"],
    "bell": ["silver", "golden", "little"], "book": ["old", "blue", "green"],
    "button": ["red", "shiny", "golden"], "shell": ["white", "shiny", "blue"],
    "feather": ["blue", "white", "golden"], "coin": ["shiny", "golden", "silver"],
    "ring": ["golden", "silver", "shiny"], "whistle": ["wooden", "silver"],
    "basket": ["old", "little"], "map": ["old"], "blanket": COLOURS + ["soft"],
    "cup": ["blue", "white", "golden"], "spoon": ["wooden", "silver"],
    "flute": ["wooden", "silver"], "stone": ["shiny", "round", "blue"],
    "ribbon": COLOURS, "boat": ["wooden", "little"],
}
FOODS = ["apple pie", "warm bread", "honey cakes", "berry jam", "hot soup",
         "sweet berries", "cheese", "red apples", "nuts", "pancakes"]
OUT = [("the forest", "in"), ("the meadow", "in"), ("the garden", "in"),
       ("the river", "by"), ("the lake", "by"), ("the pond", "by"),
       ("the hill", "on"), ("the beach", "on"), ("the market", "at"),
       ("the old mill", "at"), ("the old bridge", "by"), ("the valley", "in")]
SPOTS = ["under a bush", "behind a rock", "in the tall grass", "under a pile of leaves",
         "beside the path", "behind the old door", "under a tree", "near the well"]
LIKES = [("sing", "singing"), ("dance", "dancing"), ("paint", "painting"),
         ("read", "reading"), ("climb", "climbing"), ("run", "running"),
         ("swim", "swimming"), ("cook", "cooking"), ("play", "playing"),
         ("explore", "exploring"), ("dream", "dreaming"), ("help", "helping")]
_sun = ["The sun was bright and the sky was blue.", "The sun was warm and the birds sang.",
        "There was not a cloud in the sky."]
WEATHER = {
    "sunny": _sun, "fine": _sun, "warm": _sun,
    "quiet": ["Everything was still.", "The leaves did not move."],
    "windy": ["The wind was strong and the leaves danced.", "A cool wind blew over the hills."],
    "cold": ["The air was cold and clear.", "There was ice on the grass."],
    "foggy": ["The fog was thick and white.", "It was hard to see far because of the fog."],
}
TIMES = ["morning", "day", "afternoon", "evening"]
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
           "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
           "seventeen", "eighteen", "nineteen", "twenty"]


def art(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


# --------------------------------------------------------------------------
# Things that templates name
# --------------------------------------------------------------------------

class Char:
    """A named character: {a} name, {a.the} the fox, {a.he} pronoun ..."""

    def __init__(self, name, kind, adj, home, pron):
        self.name, self.kind, self.adj, self.home, self.pron = name, kind, adj, home, pron
        self.the = "the " + kind
        self.The = "The " + kind
        self.a = art(adj + " " + kind)
        self.bare = art(kind)
        self.child = "boy" if pron == "he" else "girl"
        if pron == "he":
            self.he, self.him, self.his = "he", "him", "his"
        else:
            self.he, self.him, self.his = "she", "her", "her"
        self.himself = self.him + "self"
        self.He, self.His = self.he.capitalize(), self.his.capitalize()

    def __str__(self):
        return self.name


class Obj:
    """A thing: {o} kite, {o.a} a red kite, {o.the} the red kite."""

    def __init__(self, noun, adj):
        self.noun, self.adj = noun, adj
        self.a, self.the = art(adj + " " + noun), "the " + adj + " " + noun

    def __str__(self):
        return self.noun


class Place:
    """{p} the river, {p.at} by the river."""

    def __init__(self, name, prep):
        self.name, self.at = name, prep + " " + name

    def __str__(self):
        return self.name


ALT = re.compile(r"\[([^\[\]]*)\]")


def expand(rng, text):
    while True:
        m = ALT.search(text)
        if not m:
            return text
        text = text[:m.start()] + rng.choice(m.group(1).split("|")) + text[m.end():]


def tidy(text):
    """Single spaces, and a capital where a sentence begins."""
    text = re.sub(r" +", " ", text)
    text = re.sub(r" ?\n ?", "\n", text).strip()
    text = re.sub(r"(^|[.!?] |\.\" |\n)([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)
    return text


# --------------------------------------------------------------------------
# Plots.  Each is a list of paragraphs; {a} is the hero, {b} a friend, {m} an
# old and wise one, {o} a thing, {p} and {q} places, {f} a food.
# A plot may begin with a line of options: "pair" keeps the friend from
# sharing the hero's pronoun, "obj:kite,ball" limits the thing.
# --------------------------------------------------------------------------

PLOTS = {
 "lost": ("", [
  "{a} had {o.a}. [It was a gift from {a.his} grandmother.|{a.He} loved it very much.|{a.He} took it everywhere.] "
  "{when}, {a} looked for the {o}, but it was gone! [{a.He} looked under the bed. {a.He} looked behind the door.|{a.He} looked here and {a.he} looked there.] "
  "[\"Oh no! Where is my {o}?\" {a.he} cried.|{a} felt very sad.]",
  "{a.His} friend {b}, {b.a}, heard {a.him}. \"[Do not worry|Do not cry], {a},\" said {b}. \"[I will help you find it|We will look for it together].\" "
  "[First|So first] they went to {p}, but the {o} was not there. Then they went to {q}. "
  "[They looked and looked.|{b} looked high and {a} looked low.] At last, {b} saw something {o.adj} {spot}. \"[Is this your {o}|Look, {a}! Is that it]?\" {b.he} asked.",
  "\"Yes! [That is my {o}|You found it]!\" said {a}. {a.He} [hugged {b}|was so happy that {a.he} danced]. "
  "\"Thank you, {b}. You are a good friend.\" [From that day on, {a} always kept the {o} in a safe place.|That night, {a} slept with the {o} beside {a.him}.|Then the two friends walked home together.]"]),

 "share": ("", [
  "{when}, {a} made {f}. [It smelled wonderful.|The whole house smelled sweet.] \"[This is all for me|I will eat it all by myself],\" said {a}.",
  "Then there was a knock at the door. It was {b}, {b.a}. [{b.He} looked cold and tired.|{b.He} had walked a long way.] \"[I am so hungry|I have not eaten all day],\" said {b}. "
  "{a} looked at the food. [{a.He} wanted to keep it.|There was only a little.] But {a.he} saw that {b} was [sad|hungry], and {a.his} heart felt warm. "
  "\"Come in,\" said {a}. \"[We can share|There is enough for two].\"",
  "They sat [by the fire|at the table] and ate the {f} together. [They talked and laughed until the moon came up.|{b} told a funny story, and {a} laughed and laughed.] "
  "{a} learned that [food tastes better when you share it|sharing makes a small meal feel big]."]),

 "dark": ("", [
  "{a} was afraid of [the dark|the night]. [Every night, {a.he} hid under the blanket.|When the sun went down, {a.he} closed {a.his} eyes.] "
  "{onenight}, {a} heard a strange sound outside. Tap, tap, tap! \"[Who is there|What is that]?\" {a.he} whispered. Nobody answered.",
  "{a} took a little lantern and opened the door. [{a.His} legs shook, but {a.he} did not run away.|{a.He} was scared, but {a.he} took one step and then another.] "
  "There, {spot}, sat {b}, {b.a}. \"[I am lost|I cannot find my way home],\" said {b}. \"[It is so dark|I am afraid].\" "
  "\"[I was afraid too|I know how that feels],\" said {a}. \"[Take my hand|Come with me]. We can be brave together.\"",
  "They walked [along the path|under the stars] with the lantern, and soon they found {b.his} home. \"Thank you,\" said {b}. \"You are very brave.\" "
  "[After that night, {a} was not afraid of the dark any more.|{a} looked up at the stars and smiled. The dark was not so bad after all.]"]),

 "stuck": ("", [
  "{when}, {a} walked to {p}. {weather} On the way, {a.he} heard a small voice. \"Help! Help!\" it called. "
  "{a} [ran|hurried] to look. It was {b}, {b.a}. [{b.He} was stuck in the mud.|{b.He} was stuck between two rocks.|{b.His} foot was caught in a root.]",
  "\"[Do not be afraid|Stay still],\" said {a}. \"I will help you.\" {a} pulled and pulled, but {b} did not move. "
  "[{a.He} stopped and thought for a moment.|\"I need a better plan,\" said {a}.] Then {a.he} [found a long stick|found a strong rope|took a long branch]. \"Hold on to this!\" {a.he} said. "
  "{a} pulled [with all {a.his} strength|as hard as {a.he} could]. Pop! {b} was free.",
  "\"[Thank you, thank you|You saved me]!\" said {b}. \"[How can I thank you|What can I do for you]?\" \"[You can be my friend|Just be my friend],\" said {a}. "
  "[And so they became friends, and they met {p.at} every day.|From that day on, {a} and {b} were the best of friends.]"]),

 "build": ("", [
  "{when}, {a} wanted to build [a boat|a house of wood|a bridge|a tower|a tree house]. [{a.He} found some wood and some rope.|{a.He} worked from morning to noon.] "
  "But when {a.he} was done, the wind blew and it all fell down. \"[Oh no|It is broken]!\" said {a}. {a.He} [sat down and cried|felt like giving up].",
  "{b}, {b.a}, came by. \"[What is wrong|Why are you sad]?\" asked {b}. \"[I worked all day, and now it is broken|I tried so hard, and it fell down],\" said {a}. "
  "\"[Then try again|You can try again],\" said {b}. \"[I will hold the wood, and you can tie the rope|Two friends are stronger than one].\" "
  "So they worked together. {b} held the wood, and {a} tied the rope. [They worked slowly and with care.|It took a long time, but they did not stop.]",
  "This time, it did not fall. [The wind blew and blew, but it stood strong.|It was the best thing that {a} had ever made.] \"We did it!\" said {a}. "
  "[{a} learned that it is good to try again.|{a} learned that hard work is easier with a friend.]"]),

 "race": ("", [
  "{b}, {b.a}, was very fast. \"[Nobody can run like me|I am the fastest of all],\" said {b}. {a} [smiled|thought about it]. \"[Let us have a race|I will race you] to {p},\" said {a}. "
  "Everyone came to watch. \"One, two, three, go!\" called {m}.",
  "{b} ran far ahead. [Soon {b.he} could not see {a} at all.|{b.He} looked back and laughed.] \"I have lots of time,\" said {b}, and {b.he} [sat down under a tree|stopped to rest] and fell asleep. "
  "{a} did not stop. Step by step, {a.he} went on. [{a.He} was tired, but {a.he} did not give up.|The sun was hot, but {a.he} kept going.]",
  "When {b} woke up, {a} was already there! [Everyone cheered.|\"{a} wins!\" said {m}.] {b} [was surprised|felt sorry for laughing]. \"Well done, {a},\" said {b}. \"[You did not stop, and that is why you won|I was too proud].\" "
  "[{a} smiled. \"Let us race again tomorrow,\" {a.he} said.|Then they shared {f} and became good friends.]"]),

 "seed": ("", [
  "{when}, {m} gave {a} a tiny seed. \"[Take good care of it|Plant it and wait],\" said {m}. {a} put the seed in the ground and gave it water. "
  "[The next day|In the morning], {a.he} looked, but nothing was there. \"[Why does it not grow|Where is my flower]?\" asked {a}. \"[Be patient|Good things take time],\" said {m}.",
  "So {a} waited. Every day, {a.he} gave the seed water. [{a.He} sang to it in the morning.|{a.He} sat beside it in the sun.] [Days went by.|One week went by, and then another.] "
  "Then, one morning, {a} saw a small green leaf! \"[It is growing|Look, look]!\" {a.he} cried.",
  "The little plant grew and grew. In the summer, it became [a tall yellow flower|a beautiful red rose|a little tree full of apples]. [Everyone came to see it.|{a} was very proud.] "
  "\"[You were patient|You took good care of it], {a},\" said {m}. {a} smiled, because now {a.he} knew that good things take time."]),

 "birthday": ("", [
  "It was {a.his} birthday, but nobody said a word. {a} went to see {b}, {b.a}. \"[I am busy today|I cannot play now],\" said {b}. [{a} went to see {m} too. \"Not now, {a},\" said {m}.|{a} walked to {p}, but nobody was there.] "
  "\"[Everyone forgot my birthday|Nobody remembers me],\" thought {a}. {a.He} felt very sad and walked home slowly.",
  "When {a} opened the door, the room was dark. Then, all at once, there was light. \"Surprise!\" [everyone called|called all {a.his} friends]. \"Happy birthday, {a}!\" "
  "There was [a big cake|a cake with many candles], and there was music. {b} gave {a.him} a gift. It was {o.a}! \"[We did not forget you|We wanted to surprise you],\" said {b}.",
  "{a} laughed and hugged {b}. [They ate and danced until late at night.|They played games until the stars came out.] \"This is the best birthday ever,\" said {a}."]),

 "broke": ("obj:cup,drum,lantern,flute,boat,bell", [
  "{b}, {b.a}, had {o.a}. [{b.He} loved it very much.|It was very old.] {when}, {a} played with the {o}, but {a.he} was not careful. Crash! The {o} fell and broke. "
  "{a} was afraid. {a.He} hid the {o} {spot} and went home.",
  "Soon {b} came to {a.his} door. \"[Have you seen my {o}|Do you know where my {o} is]?\" asked {b}. \"No,\" said {a}. But {a.his} heart felt heavy. That night, {a} could not sleep. "
  "\"[I must tell the truth|It was wrong to lie],\" {a.he} thought.",
  "In the morning, {a} went to {b}. \"I broke your {o},\" said {a}. \"[I am so sorry|I was afraid to tell you].\" {b} was quiet for a moment. Then {b.he} smiled. \"[Thank you for telling me the truth|That was brave of you],\" said {b}. "
  "\"We can mend it together.\" So they [fixed the {o} with glue|sat down and mended the {o}], and {a.his} heart felt light again."]),

 "friend": ("", [
  "{a} did not have any friends. [{a.He} played alone every day.|{a.He} was too shy to talk to anyone.] {when}, {a.he} sat {p.at} and watched the others play. \"[I wish I had a friend|I wish I could play too],\" {a.he} said.",
  "Then {a} saw {b}, {b.a}. {b.He} was alone too. {a} wanted to say hello, but {a.he} was afraid. [{a.He} took a deep breath.|{a.His} heart beat fast.] \"Hello,\" said {a} in a small voice. \"[My name is {a}|I am {a}]. [Do you want to play|Will you play with me]?\" "
  "{b} looked up and smiled. \"Yes, I do!\" said {b}. \"[I was afraid to ask you|I wanted to ask you too].\"",
  "They [played with {o.a}|ran and jumped and laughed] until the sun went down. [\"Will you come back tomorrow?\" asked {b}. \"Yes,\" said {a}. \"I will come every day.\"|After that, {a} was never lonely again.]"]),

 "treasure": ("", [
  "{when}, {a} found an old map {spot}. [There was a big red cross on it.|It showed the way to a treasure.] {a} showed the map to {b}, {b.a}. \"[Let us find the treasure|This will be an adventure]!\" said {b}. "
  "So they took some {f} and went on their way.",
  "First they walked to {p}. Then they walked to {q}. [It was a long way, and their legs were tired.|They crossed a river and climbed a hill.] \"[Here is the place|This must be it],\" said {a}. They dug and dug. At last, they found a box. "
  "Inside the box, there was no gold. There was only {o.a} and a letter. \"[The real treasure is the friend beside you|The best treasure is a good friend],\" said the letter.",
  "{a} looked at {b}, and they both laughed. \"[It is true|The letter is right],\" said {a}. [They shared the {f} and watched the sun go down.|They gave the {o} a place of honour and never forgot that day.]"]),

 "winter": ("", [
  "Winter was coming. {a} worked every day. [{a.He} carried food to {a.his} home.|{a.He} gathered wood and food.] {b}, {b.a}, only played in the sun. \"[Come and play with me!|Why do you work so hard?]\" said {b}. "
  "\"[The winter will be long|Soon it will be cold],\" said {a}. \"You should get ready too.\" But {b} only laughed.",
  "Then the snow came. It covered {p} and all the land. {a} was warm and had lots to eat. But {b} had nothing. [{b.He} was cold and hungry.|{b.His} home was cold and empty.] {b} knocked at the door. \"[Please help me|You were right], {a},\" said {b}. \"[I should have worked too|I did not get ready].\"",
  "{a} was kind. \"Come in,\" {a.he} said. \"[You can stay with me|There is room for two].\" [All winter, they told stories by the fire.|They ate {f} by the fire and listened to the wind.] "
  "And when the next summer came, {b} worked hard too."]),

 "soup": ("", [
  "{when}, {a} wanted to make soup, but {a.he} had only [one carrot|one onion|a little salt]. {a} put a big pot on the fire. {b}, {b.a}, came by. \"What are you making?\" asked {b}. \"[I am making soup|Soup for everyone],\" said {a}. \"But it needs something more.\" "
  "\"I have some [beans|peas|mushrooms],\" said {b}, and {b.he} put them into the pot.",
  "Then {m} came by. \"[That smells good|What a nice smell],\" said {m}. \"I have some potatoes.\" In went the potatoes! Soon everyone came, and everyone brought something. [The pot was full to the top.|{a} stirred and stirred.]",
  "When the soup was ready, they all sat down together. [It was the best soup in the world.|\"This is wonderful!\" said {b}.] {a} smiled. \"[Alone I had very little|I had almost nothing],\" {a.he} said, \"but together we have enough for all.\""]),

 "star": ("", [
  "{a} loved to look at the stars. {onenight}, a little star fell from the sky and landed {p.at}. {a} ran to see it. The star was [small and bright|warm and golden]. \"[I fell down|I want to go home],\" said the star. \"[Can you help me|Please help me]?\"",
  "\"I will try,\" said {a}. {a.He} put the star in a basket and climbed [the highest hill|the tallest tree]. {a.He} held it up, but the sky was too far away. Then {a} asked {m}. \"[Call the wind|Ask the wind],\" said {m}. \"The wind can carry it.\" "
  "So {a} called, \"Wind, wind, [please take my friend home|please help us]!\"",
  "The wind came and lifted the star up, up, up into the sky. \"Thank you, {a}!\" called the star. [Now, every night, one star shines just for {a}.|And every night, when {a} looks up, the star shines back at {a.him}.]"]),

 "learn": ("", [
  "{a} could not {skill}. [All {a.his} friends could do it.|{a.He} had tried many times.] \"[I will never learn|It is too hard for me],\" said {a}. {m} heard {a.him}. \"[Nobody can do it the first time|Everyone must begin somewhere],\" said {m}. \"[Try a little every day|Come, and I will teach you].\"",
  "So {a} tried. The first day, it went badly. The second day, it went badly too. {b}, {b.a}, [cheered for {a.him}|came to watch]. \"[Do not give up|You can do it], {a}!\" said {b}. {a} tried again and again. [{a.He} was tired, but {a.he} did not stop.|Each day it was a little better.]",
  "Then, {when_l}, something wonderful happened. {a} could {skill}! \"[Look at me|I did it]!\" {a.he} cried. {b} [clapped and laughed|was so happy for {a.him}]. \"[You did not give up|I knew you could do it],\" said {m}. {a} was proud and happy."]),

 "snow": ("", [
  "{a} woke up and looked outside. Everything was white. \"[Snow|It snowed]!\" {a.he} cried. {a.He} put on {a.his} hat and ran to find {b}, {b.a}. \"[Let us make a snowman|Come and play in the snow],\" said {a}. "
  "They made a big ball, a middle ball, and a small ball. [They used stones for the eyes and a carrot for the nose.|{b} found a carrot for the nose.] {a} gave the snowman {a.his} {scarf}.",
  "[They played all day in the snow.|All day, they danced around the snowman.] But the next week, the sun was warm, and the snowman began to melt. {a} was sad. \"[Our friend is going away|I do not want him to go],\" {a.he} said. "
  "\"[He will come back|Do not be sad],\" said {b}. \"[Snow becomes water, and water makes the flowers grow|Next winter, we will make him again].\"",
  "In the spring, a small white flower grew where the snowman had been. {a} smiled. \"[Hello, old friend|There you are],\" {a.he} said."]),

 "wayhome": ("", [
  "{when}, {a} went to {p} to [pick flowers|look for berries]. {a.He} walked on and on and did not look back. [Soon the sun went down|Then the fog came], and {a} did not know the way home. \"[I am lost!|Where am I?]\" {a.he} said. {a.He} wanted to cry.",
  "Then {a} remembered the words of {m}. \"[When you are lost, follow the river|The river always leads to the village].\" {a} was quiet and listened. Far away, {a.he} could hear the water. {a.He} followed the sound. [{a.He} walked past tall trees and dark rocks.|Step by step, {a.he} went through the tall grass.] "
  "At last, {a.he} came to the river, and {a.he} walked beside it until {a.he} saw a light.",
  "It was {a.his} own home! {b}, {b.a}, was waiting at the door. \"[We were so worried|I was so worried about you]!\" said {b}. \"[I was scared, but I listened to the river|The river showed me the way],\" said {a}. [Then they drank hot tea, and all was well.|That night, {a} was glad to be in {a.his} warm bed.]"]),

 "quarrel": ("", [
  "{a} and {b}, {b.a}, were best friends. But {when_l}, they both wanted {o.the}. \"[It is mine|I saw it first]!\" said {a}. \"No, it is mine!\" said {b}. They pulled and pulled. [They shouted at each other.|Their faces were red.] Then {b} went away, and {a} sat alone with the {o}.",
  "[At first, {a} was glad.|{a} tried to play.] But it was no fun without {b}. \"[What good is {o.a} without a friend?|I miss my friend so much!]\" thought {a}. {a} took the {o} and walked to {p}. There was {b}, all alone. "
  "\"I am sorry,\" said {a}. \"[You can have the {o}|A friend is better than {o.a}].\" \"I am sorry too,\" said {b}. \"[Let us share it|It can belong to both of us].\"",
  "[So they took turns, and they were both happy.|Then they laughed, and everything was good again.] They never fought about the {o} again."]),

 "sick": ("", [
  "{when}, {b}, {b.a}, did not come out to play. {a} went to {b.his} home. {b} was in bed. \"[I feel sick|My head hurts],\" said {b}. [{b.His} nose was red, and {b.his} voice was small.|{b.He} was hot and tired.] \"[I will take care of you|Rest now],\" said {a}.",
  "{a} made hot soup and gave {b} a soft blanket. {a.He} [read a story to {b.him}|sang a quiet song|opened the window to let in the sun]. {m} sent some honey for {b.his} tea. {a} stayed with {b} all day and all night.",
  "The next morning, {b} [sat up and smiled|felt much better]. \"[Your care made me well|I feel well again],\" said {b}. \"Thank you, {a}.\" \"[That is what friends are for|You would do the same for me],\" said {a}. And they went out into the sun together."]),

 "noise": ("", [
  "{onenight}, there was a strange noise in {a.his} home. Boom, boom, boom! {a} sat up in bed. \"[Is it a monster|What can it be]?\" {a.he} thought. {a.He} ran to {b}, {b.a}. \"[There is a monster in my house|Please come quickly]!\" said {a}.",
  "The two friends went inside very slowly. [{b} held a spoon, and {a} held a lantern.|They held hands.] Boom, boom! The noise came from [the kitchen|a big box|behind the door]. {a} counted to three and looked. It was not a monster at all. It was only [a tiny mouse with a drum|a little bird that could not get out|a window in the wind].",
  "{a} and {b} laughed and laughed. \"[How silly I was|It was only a small thing],\" said {a}. \"[Big noises can come from small things|Now we can sleep],\" said {b}. [And they drank warm milk and went to bed.|And that night, {a} slept very well.]"]),

 "kitetree": ("obj:kite,ball,hat,ribbon,scarf", [
  "{when}, {a} took {o.the} to {p}. {weather} Then a strong wind came and carried the {o} high up into a tree. \"[Oh no, my {o}|Come back]!\" cried {a}. {a.He} jumped, but {a.he} could not reach it.",
  "{b}, {b.a}, saw what happened. \"[I can help|Let me try],\" said {b}. {b.He} threw a stick, but it did not work. [They called to the wind, but the wind did not listen.|They shook the tree, but nothing fell.] Then {a} had an idea. \"[Stand on my back|We can stand one on top of the other]!\" said {a}. "
  "{b} stood on {a.his} back and reached up and up. [At last, {b.he} had the {o}.|{b.He} took the {o} and pulled. It was free!]",
  "\"[We did it|Hurray]!\" they cried. \"[One of us was too small, but two were tall enough|Alone I could not do it, but together we could],\" said {a}. [They played with the {o} until evening.|Then they went home with the {o}, happy and tired.]"]),

 "market": ("", [
  "{when}, {a} went to the market with one [silver|golden] coin. {a.He} wanted to buy {o.a}. [The market was full of people and colours.|There were apples, bread, and flowers.] On the way, {a.he} saw {b}, {b.a}. {b.He} was crying. \"[I lost my money, and I have no food|I have nothing to eat today],\" said {b}.",
  "{a} looked at the coin in {a.his} hand. [{a.He} thought about {o.the}.|{a.He} wanted the {o} very much.] Then {a.he} went to the baker and bought bread. \"[This is for you|Here, take this],\" {a.he} said. {b} [smiled through {b.his} tears|was very thankful].",
  "A week later, {b} came to {a.his} door. \"[You were kind to me|I did not forget you],\" said {b}, \"and I made this for you.\" It was {o.a}! [{a} did not know what to say.|{a} was so surprised.] [Kindness always comes back.|That is how {a} learned that kindness comes back.]"]),

 "rain": ("", [
  "{a} wanted to play {p.at}, but it was raining. [Drip, drop, drip, drop.|The rain fell all morning.] \"[This is a bad day|There is nothing to do],\" said {a}. {b}, {b.a}, came to visit. {b.He} was wet, but {b.he} was smiling. \"[A rainy day is a good day|I love the rain],\" said {b}.",
  "\"[Why|How can that be]?\" asked {a}. \"[We can make things inside|Let me show you],\" said {b}. They made [a castle from boxes|a tent from blankets|paper boats]. They [told stories|sang songs|played with {o.the}]. Then they went outside and jumped in the puddles. Splash!",
  "When the rain stopped, there was [a rainbow|a big rainbow] in the sky. \"[Look, how beautiful|Without rain, there is no rainbow],\" said {b}. {a} smiled. \"[I think I love the rain too|This was a good day after all],\" {a.he} said."]),

 "magic": ("obj:flute,bell,drum,stone,ring,whistle,lantern,key", [
  "{when}, {a} found {o.a} {spot}. [It was warm and it glowed.|It shone in the sun.] {a} picked it up. \"I am a magic {o},\" it said. \"[I can give you one wish|You may have one wish].\" {a} was very surprised. [What should {a.he} wish for?|{a.He} thought and thought.]",
  "{a} could wish for gold. {a.He} could wish for [a castle|a mountain of cake]. Then {a.he} saw {b}, {b.a}. {b.He} was sad, because {b.his} [garden was dry|home had blown away in the storm|little brother was sick]. {a} knew what to do. \"I wish that {b} will be happy again,\" said {a}.",
  "The {o} shone like the sun. Soon [everything was well again|all was well], and {b} laughed and danced. \"[You used your only wish for me|Why did you do that]?\" {b} said. \"[Because you are my friend|Your smile is better than gold],\" said {a}. [The magic was gone, but {a} did not mind.|And {a} kept the {o} to remember that day.]"]),

 "bridge": ("", [
  "{a} met {b}, {b.a}, in the middle of a narrow bridge. \"[Let me pass|Go back],\" said {a}. \"No, you must go back,\" said {b}. \"[I was here first|I am in a hurry].\" [They both stood still and looked angry.|Nobody wanted to move.] The sun went up and the sun went down.",
  "Then {m} came along. \"[Why do you stand here|What is the matter]?\" asked {m}. They both told their story. {m} laughed. \"[If you both stand here, nobody gets home|You are both right, and you are both cold],\" said {m}. \"[One of you can lie down, and the other can step over|One can wait, and one can walk. It is that easy].\"",
  "{a} felt silly. \"[You go first|Please pass], {b},\" {a.he} said. \"[Thank you|That is kind],\" said {b}. \"Next time, I will wait for you.\" [After that, they said hello on the bridge every day.|And the two became friends.]"]),

 "garden": ("", [
  "{a} had a garden. [There were carrots, beans, and tall yellow flowers.|It was the best garden in the valley.] But {when_l}, {a.he} saw that some carrots were gone. \"Who took my carrots?\" said {a}. That night, {a.he} [hid behind a bush and waited|did not sleep and watched].",
  "In the moonlight, {a} saw {b}, {b.a}. \"Stop!\" said {a}. {b} was afraid. \"[I am sorry|Please do not be angry],\" said {b}. \"[My family is hungry|We have nothing to eat].\" {a} was angry at first, but then {a.he} felt sorry. \"[You should have asked me|Next time, please ask],\" said {a}. \"[Help me in the garden, and you can have some carrots|If you help me, we can share].\"",
  "So every day, {b} came to help. [{b.He} watered the plants, and {a} pulled the weeds.|They worked side by side in the sun.] In the autumn, there was more food than ever before. [There was enough for everyone.|\"Two can grow more than one,\" said {a}.]"]),

 "sea": ("", [
  "{a} had a little boat. {when}, {a} and {b}, {b.a}, went out on the [sea|lake]. {weather} [The water was blue and calm.|They sang as they went.] But then dark clouds came. The wind blew, and the waves grew high. \"[We are too far from land|I cannot see the land]!\" cried {b}.",
  "\"[Do not be afraid|Stay calm],\" said {a}. \"[We must work together|I have a plan].\" {b} held the rope, and {a} held the wheel. [The rain fell hard.|The boat went up and down.] Then they saw a light. \"[Look, the lighthouse|A light, a light]!\" said {b}. {a} turned the boat to the light.",
  "Soon they were safe on the beach. [They were wet and cold, but they were together.|{m} gave them hot tea and dry clothes.] \"[You were so calm|You were a good captain],\" said {b}. \"[And you were strong|I could not do it without you],\" said {a}. [And they laughed about it for many years.|That night, the sea was quiet again.]"]),
}

SKILLS = ["swim", "ride a horse", "read", "whistle", "dance", "climb trees", "play the flute",
          "sing", "tie a knot", "bake bread", "count to ten", "skate"]


def who(rng, pron=None, kind=None, name=None, adj=None, avoid=()):
    """A new character; names and kinds in avoid are not used again."""
    while kind is None or kind in avoid:
        kind = rng.choice(list(ANIMALS)) if rng.random() < 0.72 else rng.choice(list(PEOPLE))
    if kind in PEOPLE:
        fixed, adjs, homes = PEOPLE[kind]
        pron = fixed or pron
    else:
        adjs, homes = ANIMALS[kind]
    pron = pron or rng.choice(["he", "she"])
    while name is None or name in avoid:
        name = rng.choice(HE if pron == "he" else SHE)
    pron = "he" if name in HE else "she" if name in SHE else pron
    if adj is None:
        r = rng.random()
        adj = "little" if r < 0.5 else "young" if r < 0.6 else rng.choice(adjs)
        if adj == "little" and kind in ("giant", "king", "queen", "elephant"):
            adj = rng.choice(adjs)
    return Char(name, kind, adj, rng.choice(homes), pron)


def opening(rng, a, like):
    """The first paragraph: who the hero is and where the hero lives."""
    place = a.home
    like_s = expand(rng, "[{a} loved to %s.|{a.He} loved %s.|{a.He} liked to %s all day.|]" % (
        like[0], like[1], like[0]))
    forms = [
        (7, "Once upon a time, there was {a.a} named {a}. [{a.He}|{a}] lived " + place + ". " + like_s),
        (5, "Once upon a time, [there lived {a.a}|{a.a} lived] " + place + ". [{a.His} name was {a}.|The {a.kind} was named {a}.] " + like_s),
        (3, "Once upon a time, {a.a} named {a} lived " + place + ". " + like_s),
        (3, "Once there was {a.a} named {a}, who lived " + place + ". " + like_s),
        (2, "Once, " + place + ", there lived {a.a} named {a}. " + like_s),
        (2, "There once was {a.a} named {a}. {a.He} lived " + place + ". " + like_s),
        (2, "There was [once |]{a.a} named {a}, and {a.he} lived " + place + ". " + like_s),
        (2, "Long ago, {a.a} named {a} lived " + place + ". " + like_s),
        (2, "In a [land far away|quiet land|small land by the sea], there was {a.a} named {a}. [{a.He} was known for {a.his} kind heart.|{a.He} lived " + place + ".] " + like_s),
        (3, "{a} was {a.a}. {a.He} lived " + place + ". " + like_s),
        (2, "{a}, {a.a}, lived " + place + ". " + like_s),
        (1, "This is a story about {a.a} named {a}. {a} lived " + place + ". " + like_s),
        (2, "{A_kind} named {a} lived " + place + ". " + like_s),
    ]
    if a.adj == "little":
        forms += [(9, "The little {a.kind} [was named {a}. {a.He} lived " + place + ".|lived " + place + ". {a.His} name was {a}.|was called {a}, and {a.he} lived " + place + ".|named {a} lived " + place + ".] " + like_s),
                  (2, "Little {a} was {a.bare}. {a.He} lived " + place + ". " + like_s)]
    else:
        forms += [(3, "The {a.adj} {a.kind} [was named {a}. {a.He} lived " + place + ".|lived " + place + ". {a.His} name was {a}.] " + like_s)]
    total = sum(w for w, _ in forms)
    r = rng.random() * total
    for w, f in forms:
        r -= w
        if r < 0:
            return f
    return forms[0][1]


def story(rng, hero=None, plot=None):
    """One complete story as a string."""
    a = hero or who(rng)
    plot = plot or rng.choice(list(PLOTS))
    option, paragraphs = PLOTS[plot]
    other = ("she" if a.pron == "he" else "he") if rng.random() < 0.7 else a.pron
    b = who(rng, pron=other, avoid=(a.name, a.kind))
    while b.kind in ("giant", "dragon") and plot in ("kitetree", "stuck", "bridge"):
        b = who(rng, pron=other, avoid=(a.name, a.kind))
    mk, mp = rng.choice([e for e in ELDERS if e[0] not in (a.kind, b.kind)])
    adj = rng.choice(["old", "wise old", "old"])
    m = Char("the %s %s" % (adj, mk), mk, "old", "", mp)
    if option.startswith("obj:"):
        noun = rng.choice(option[4:].split(","))
    else:
        noun = rng.choice(list(TOYS))
    o = Obj(noun, rng.choice(TOYS[noun]))
    p, q = [Place(*x) for x in rng.sample(OUT, 2)]
    like = rng.choice(LIKES)
    t = rng.choice(TIMES)
    when = rng.choice(["One {t}", "One {t}", "One {d} {t}", "One day", "One day"])
    day = rng.choice(list(WEATHER))
    if plot in ("kitetree", "sea"):        # these begin in good weather
        day = rng.choice(["sunny", "fine", "warm"])
    weathers = WEATHER[day]
    when = when.format(t=t, d=day)
    env = dict(a=a, b=b, m=m, o=o, p=p, q=q, f=rng.choice(FOODS), when=when,
               when_l=when[0].lower() + when[1:], weather=rng.choice(weathers),
               onenight=rng.choice(["One night", "One dark night", "One quiet night", "Late one night"]),
               spot=rng.choice(SPOTS), skill=rng.choice(SKILLS),
               scarf=rng.choice(["red scarf", "old hat", "blue scarf", "warm scarf"]),
               A_kind=a.a)
    first = opening(rng, a, like)
    r = rng.random()
    if r < 0.14 and paragraphs[0].startswith("{when}, {a}"):
        # Begin in the middle of things: "One day, a little fox named Pip ..."
        body = paragraphs[0].replace("{when}, {a}", "{when}, {A_kind} named {a}", 1)
        parts = [body] + paragraphs[1:]
    elif r < 0.22 and paragraphs[0].startswith("{when}, {a}"):
        body = paragraphs[0].replace("{when}, {a}", "{when}, the %s {a.kind}" % a.adj, 1)
        parts = ["[It was %s.|The day was %s.] {a} was {a.a}. " % (
            art(day + " " + t), day) + body] + paragraphs[1:]
    else:
        parts = [first] + paragraphs
    if rng.random() < 0.25:
        parts = parts[:-1] + [parts[-1] + rng.choice([" The end.", " The end.", " And they lived happily ever after."])]
    text = "\n\n".join(tidy(expand(rng, x).format(**env)) for x in parts)
    return text


# --------------------------------------------------------------------------
# Chat
# --------------------------------------------------------------------------

FACTS = {
    "fox": "A fox is a clever animal with a red coat and a long tail. It lives in a burrow.",
    "rabbit": "A rabbit is a small animal with long ears. It eats grass and lives in a burrow.",
    "mouse": "A mouse is a very small animal with a long tail. It loves seeds and cheese.",
    "bear": "A bear is a big and strong animal with thick fur. It sleeps in a cave in winter.",
    "owl": "An owl is a bird with big eyes. It sleeps by day and flies by night.",
    "frog": "A frog is a small green animal. It lives near water and can jump very far.",
    "duck": "A duck is a bird that swims. It lives on ponds and lakes.",
    "cat": "A cat is a soft animal with sharp claws. It likes to sleep and to catch mice.",
    "dog": "A dog is a friendly animal that likes to play. It is a good friend to people.",
    "bee": "A bee is a small insect that flies from flower to flower. It makes honey.",
    "turtle": "A turtle is a slow animal with a hard shell. It can live for a long time.",
    "elephant": "An elephant is a very big grey animal with a long nose. It eats leaves and grass.",
    "lion": "A lion is a big cat with a loud roar. It lives in a warm land.",
    "dragon": "A dragon is an animal from old stories. It can fly and breathe fire.",
    "robot": "A robot is a machine that can move and do work.",
    "star": "A star is a very big and very hot light, far away in the sky.",
    "river": "A river is water that flows over the land to the sea.",
    "tree": "A tree is a tall plant with a trunk, branches, and leaves.",
    "book": "A book is a set of pages with words to read.",
    "computer": "A computer is a machine that follows instructions and works with numbers.",
    "language model": "A language model is a program that learns from text and writes the next word.",
    "token": "A token is a small piece of text. I read and write one token at a time.",
    "network": "A network is a group of computers that talk to each other.",
}
HUES = {"sky": "blue", "grass": "green", "sun": "yellow", "snow": "white", "sea": "blue",
        "night": "black", "leaf": "green", "banana": "yellow", "strawberry": "red",
        "lemon": "yellow", "frog": "green", "carrot": "orange", "milk": "white"}
SOUNDS = {"cow": "moo", "dog": "woof", "cat": "meow", "duck": "quack", "sheep": "baa", "pig": "oink",
          "frog": "ribbit", "bee": "buzz", "owl": "hoo", "lion": "roar", "mouse": "squeak", "crow": "caw"}
OPPOSITES = {"hot": "cold", "big": "small", "up": "down", "day": "night", "fast": "slow", "happy": "sad",
             "old": "young", "light": "dark", "open": "closed", "wet": "dry", "good": "bad", "left": "right",
             "high": "low", "full": "empty", "hard": "soft", "near": "far", "yes": "no", "loud": "quiet"}
UNKNOWN = ["Who won the game last night?", "What is the price of gold?", "How far away is the moon?",
           "Who wrote this song?", "What will happen tomorrow?", "Can you fix my car?",
           "What is the weather like?", "What time is it?", "How do I cook rice?", "What is the news?",
           "Who is the president?", "Translate this into French.", "Write a program for me.",
           "What is the meaning of life?", "How old is the world?", "Why is the sky so high?",
           "How does an engine work?", "Where is my phone?", "What is the best film?",
           "How many people live in the city?", "Explain physics.", "What is seven hundred times nine?"]
JOKES = ["Why did the snail sleep in its shell? Because it was already home.",
         "Why did the bee go to school? To learn to spell honey.",
         "What did the river say to the hill? I must run.",
         "Why was the robot tired? It had a hard drive.",
         "Why do owls never lose a game? They are too wise to play."]
DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, and Sunday"
MONTHS = ("January, February, March, April, May, June, July, August, September, October, "
          "November, and December")
SYSTEMS = ["You are a helpful assistant.", "You are a helpful assistant.", "You are plexus-tiny, a tiny model.",
           "You are a friendly assistant who tells stories.", "Be short and kind."]
ABOUT = ["Plexus is a small network stack for AI, written in C. It trains and runs language models.",
         "Plexus is a program written in C. It trains and runs language models."]


def counting(lo, hi):
    step = 1 if hi >= lo else -1
    words = [NUMBERS[i] for i in range(lo, hi + step, step)]
    return (", ".join(words) + ".").capitalize()


def exchange(rng):
    """One question and its answer."""
    e = lambda s: expand(rng, s)
    r = rng.random()
    if r < 0.30:
        kind = rng.choice(list(ANIMALS) + list(PEOPLE))
        if rng.random() < 0.2:
            a = who(rng)
            q = e("[Tell me a story|Please tell me a story|Can you tell me a story?|Tell me a short story|I want a story|A story, please|Write a story|Tell me another story]")
        elif rng.random() < 0.15:
            a = who(rng, kind=kind)
            q = e("[Tell me a story about|Write a story about|I want a story about] ") + e(
                "[{k} named {n}|{n} the {x}]").format(k=art(kind), n=a.name, x=kind)
        else:
            adj = rng.choice(ANIMALS[kind][0] if kind in ANIMALS else PEOPLE[kind][1]) if rng.random() < 0.3 else None
            if rng.random() < 0.2:
                adj = "little"
            a = who(rng, kind=kind, adj=adj)
            q = e("[Tell me a story about|Tell me a story about|Write a story about|Can you tell me a story about|Please tell me a story about|Tell me a short story about|I want a story about|Story about] ")
            q += art((adj + " " if adj else "") + kind)
        q += rng.choice([".", ".", "", "!"]) if not q.startswith("Can") else "?"
        q = q.replace("??", "?").replace("?.", "?").replace("?!", "?")
        return q, story(rng, hero=a)
    kinds = [
        lambda: (e("[Hello|Hi|Hey|Hello there|Hi there|Good morning|Good evening|Good day][!|.|]"),
                 e("[Hello! How are you today?|Hello! It is nice to meet you.|Hi! Would you like to hear a story?|Hello! What would you like to talk about?]")),
        lambda: (e("[How are you|How are you today|How do you feel][?|]"),
                 e("[I am well, thank you. How are you?|I am very well, thank you for asking.|I feel fine today. Thank you.]")),
        lambda: (e("[What is your name|What's your name|Who are you|What are you|Do you have a name][?|]"),
                 e("[I am a tiny plexus model.|My name is plexus-tiny. I am a tiny plexus model.|I am plexus-tiny, a tiny plexus model.]")),
        lambda: (e("[Who made you|Where do you come from|How were you made|Who built you][?|]"),
                 "I am part of plexus. I was trained on text that a small program wrote."),
        lambda: (e("[What is plexus|What is Plexus|Tell me about plexus|What does plexus do|Explain plexus][?|.|]"),
                 rng.choice(ABOUT)),
        lambda: (e("[What can you do|How can you help me|What do you know|Can you help me|Help][?|]"),
                 "I can tell short stories, count, name colours, and answer simple questions."),
        lambda: (e("[How big are you|How large are you|Are you small][?|]"),
                 "I am very small. I fit inside the plexus program."),
        lambda: (e("[Thank you|Thanks|Thank you very much|Thanks a lot][!|.|]"),
                 e("[You are welcome!|You are very welcome.|I am glad to help.]")),
        lambda: (e("[Goodbye|Bye|Good night|See you later|Bye bye][!|.|]"),
                 e("[Goodbye! Come back soon.|Goodbye! Have a nice day.]")),
        lambda: (e("[Tell me a joke|Do you know a joke|Make me laugh|A joke, please][.|?|]"), rng.choice(JOKES)),
        lambda: (rng.choice(UNKNOWN), e("[I do not know that. I am a very small model.|I am sorry, I do not know. I am only a tiny model.|I do not know, but I can tell you a story.]")),
        lambda: (e("[Are you a robot|Are you human|Are you a person|Are you alive][?|]"),
                 "I am not a person. I am a tiny language model."),
        lambda: (e("[Do you like stories|What do you like|What is your favourite thing][?|]"),
                 e("[I like stories best of all.|I like short stories with happy endings.]")),
        lambda: (e("[What are the days of the week|Name the days of the week|List the days of the week][?|.|]"),
                 "The days of the week are " + DAYS + "."),
        lambda: (e("[What are the months|Name the months of the year|List the months][?|.|]"),
                 "The months are " + MONTHS + "."),
        lambda: (e("[What are the seasons|Name the four seasons|How many seasons are there][?|]"),
                 "The four seasons are spring, summer, autumn, and winter."),
        lambda: (e("[Name some colours|Name three colours|What colours do you know|Name some colors][?|.|]"),
                 e("[Red, blue, and green.|Red, yellow, and blue.|Some colours are red, orange, yellow, green, and blue.]")),
        lambda: (e("[I am sad|I feel sad|I had a bad day|I feel lonely][.|]"),
                 e("[I am sorry to hear that. I hope that you feel better soon.|I am sorry. Would you like to hear a story?]")),
        lambda: (e("[I am happy|I feel good|I am well|I had a good day|I am fine][.|!|]"),
                 e("[I am glad to hear that!|That is good to hear!]")),
    ]

    def colour():
        x = rng.choice(list(HUES))
        the = "the " if x in ("sky", "sun", "sea", "night") else "" if x in ("grass", "snow", "milk") else art(x)[:-len(x)]
        q = e("[What colour is|What color is|Which colour is] ") + the + x + rng.choice(["?", "?", ""])
        return q, tidy(the + x + " is " + HUES[x] + ".")

    def sound():
        x = rng.choice(list(SOUNDS))
        q = e("[What does %s say|What sound does %s make|How does %s sound][?|?|]" % ((art(x),) * 3))
        return q, tidy(art(x) + " says " + SOUNDS[x] + ".")

    def opposite():
        x, y = rng.choice(list(OPPOSITES.items()))
        if rng.random() < 0.5:
            x, y = y, x
        return e("[What is the opposite of %s|Opposite of %s|What is the opposite of the word %s][?|]" % (x, x, x)), (
            "The opposite of %s is %s." % (x, y))

    def count():
        s = rng.random()
        if s < 0.5:
            n = rng.randint(3, 20)
            w = rng.choice([NUMBERS[n], str(n)])
            return e("[Count to|Please count to|Can you count to|Count up to] ") + w + rng.choice([".", "", "!"]), counting(1, n)
        n = rng.randint(1, 8)
        k = rng.randint(n + 2, 12)
        if s < 0.8:
            return "Count from %s to %s." % (NUMBERS[n], NUMBERS[k]), counting(n, k)
        return e("[Count down from|Count back from] ") + NUMBERS[k] + rng.choice([".", ""]), counting(k, 1)

    def add():
        x, y = rng.randint(0, 6), rng.randint(0, 6)
        if rng.random() < 0.3 and x >= y:
            w = rng.choice([("%d minus %d" % (x, y)), "%s minus %s" % (NUMBERS[x], NUMBERS[y])])
            z = x - y
            ans = "%s minus %s is %s." % (NUMBERS[x], NUMBERS[y], NUMBERS[z])
        else:
            w = rng.choice(["%d plus %d", "%d + %d"]) % (x, y) if rng.random() < 0.5 else "%s plus %s" % (NUMBERS[x], NUMBERS[y])
            z = x + y
            ans = "%s plus %s is %s." % (NUMBERS[x], NUMBERS[y], NUMBERS[z])
        return e("[What is|How much is] ") + w + "?", ans.capitalize()

    def fact():
        x = rng.choice(list(FACTS))
        if x == "language model":
            qx = "a language model"
        else:
            qx = art(x)
        return e("[What is %s|Tell me about %s|What do you know about %s][?|?|]" % (qx, qx, qx)), FACTS[x]

    if rng.random() < 0.62:
        q, a = rng.choice(kinds)()
    else:
        q, a = rng.choice([colour, sound, opposite, count, add, fact, fact, count])()
    return q, a


def chat(rng):
    """A chat document: list of parts with control tokens."""
    doc = []
    if rng.random() < 0.2:
        doc += [SYSTEM, rng.choice(SYSTEMS)]
    turns = rng.choice([1, 1, 2, 2, 3])
    told = False
    for i in range(turns):
        while True:
            q, a = exchange(rng)
            if not (told and len(a) > 300):
                break
        if len(a) > 300:
            told = True
        s = rng.random()
        if s < 0.22:
            q = q[0].lower() + q[1:]
        doc += [USER, q, ASSISTANT, a, EOT]
    return doc


def document(rng, chat_share=0.3):
    """One document, which ends with the end-of-text token.

    A chat document is short, so about 30% of documents are chat while
    clearly less of the text is.
    """
    if rng.random() < chat_share:
        return chat(rng)
    return [story(rng), EOT]


def documents(seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        yield document(rng)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--docs", type=int, default=10)
    ap.add_argument("--plots", action="store_true", help="one story of each plot")
    args = ap.parse_args()
    if args.plots:
        rng = random.Random(args.seed)
        for name in PLOTS:
            print("== %s\n%s\n" % (name, story(rng, plot=name)))
        return
    for doc in documents(args.seed, args.docs):
        print("".join(doc) + "\n")


if __name__ == "__main__":
    main()
