// SPDX-License-Identifier: MIT OR Apache-2.0
//! A command line with placeholders.

/// The words of a command, each in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Vec<Piece>>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Image,
    Params,
    Seed,
    Arch,
}

/// What takes the places.
pub(super) struct Values<'a> {
    pub(super) image: &'a str,
    pub(super) params: &'a str,
    pub(super) seed: &'a str,
    pub(super) arch: &'a str,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).ok_or("the command's quotes do not match")?;
        let words = words.iter().map(|word| pieces(word)).collect::<Result<Vec<_>, _>>()?;
        let Some(program) = words.first() else { return Err("the command is empty".to_owned()) };
        if !matches!(&program[..], [Piece::Text(_)]) {
            return Err("the command's first word is no program".to_owned());
        }
        let this = Self(words);
        if this.has(Place::Image) { Ok(this) } else { Err("the command says nowhere {image}".to_owned()) }
    }

    pub(super) fn passes_parameters(&self) -> bool {
        self.has(Place::Params)
    }

    fn has(&self, place: Place) -> bool {
        self.0.iter().flatten().any(|piece| *piece == Piece::Place(place))
    }

    /// A value never becomes several words, whatever is in it.
    pub(super) fn words(&self, values: &Values<'_>) -> Vec<String> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(Place::Image) => values.image.to_owned(),
            Piece::Place(Place::Params) => values.params.to_owned(),
            Piece::Place(Place::Seed) => values.seed.to_owned(),
            Piece::Place(Place::Arch) => values.arch.to_owned(),
        };
        self.0.iter().map(|word| word.iter().map(text).collect()).collect()
    }
}

fn pieces(word: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), word);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.push_str(&from[..1]);
            rest = behind;
            continue;
        }
        let (place, behind) = [
            ("{image}", Place::Image),
            ("{params}", Place::Params),
            ("{seed}", Place::Seed),
            ("{arch}", Place::Arch),
        ]
        .into_iter()
        .find_map(|(name, place)| Some((place, from.strip_prefix(name)?)))
        .ok_or_else(|| {
            format!("the command's `{word}` has a brace that is none of {{image}}, {{params}}, {{seed}}, {{arch}}; double it")
        })?;
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Place(place));
        rest = behind;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values { image: "/i m", params: "seed=1 'from'=a", seed: "1", arch: "x" };

    fn words(text: &str) -> Result<Vec<String>, String> {
        Template::parse(text).map(|template| template.words(&VALUES))
    }

    #[test]
    fn places_are_filled_and_words_stay_words() {
        let text = "q-{arch} -kernel {image} -append '{params}' -x a{seed}b '' '{{\"k\": 1}}'";
        let expected =
            ["q-{arch}", "-kernel", "/i m", "-append", "seed=1 'from'=a", "-x", "a1b", "", "{\"k\": 1}"];
        assert!(words(text).is_err(), "the program is none");
        let text = text.replacen("{arch}", "{{arch}}", 1);
        assert_eq!(words(&text).as_deref(), Ok(&expected.map(str::to_owned)[..]));
        assert!(Template::parse(&text).is_ok_and(|template| template.passes_parameters()));
        assert!(Template::parse("q {image}").is_ok_and(|template| !template.passes_parameters()));
    }

    #[test]
    fn what_is_no_command_is_one_line() {
        for text in
            ["", "  ", "'", "{image}", "q", "q {params}", "q {image} {other}", "q {image} {", "q {image} }"]
        {
            let why = words(text).expect_err(text);
            assert_eq!(why.lines().count(), 1, "{text}: {why}");
        }
    }
}
