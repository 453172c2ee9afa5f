//! Names that may have been meant.

/// Those of `all` that look like `wanted`, the likeliest first; where none does, a few of them.
pub(crate) fn near(wanted: &str, all: impl IntoIterator<Item = String>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<(f64, String)> =
        all.into_iter().map(|name| (likeness(&wanted, &name.to_lowercase()), name)).collect();
    scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    scored.dedup();
    if scored.iter().any(|(score, _)| *score >= ALIKE) {
        scored.retain(|(score, _)| *score >= ALIKE);
    }
    scored.truncate(MOST);
    scored.into_iter().map(|(_, name)| name).collect()
}

fn likeness(wanted: &str, name: &str) -> f64 {
    if name.contains(wanted) || wanted.contains(name) {
        1.0
    } else {
        strsim::normalized_damerau_levenshtein(wanted, name)
            .max(strsim::jaro_winkler(wanted, name) - WINKLER_KINDNESS)
    }
}

/// From here on two names are alike.
const ALIKE: f64 = 0.6;

/// Jaro and Winkler give any two names of one scheme (`prod-…`) about 0.15 more than they deserve.
const WINKLER_KINDNESS: f64 = 0.15;

/// How many names a person reads.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::near;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_leaves_out_strangers() {
        let all = names(&["billing", "neuraknot-prod-db", "neuraknot-stg-db", "zebra"]);
        let found = near("neuraKnot-prd-db", all);
        assert_eq!(found.first().map(String::as_str), Some("neuraknot-prod-db"));
        assert!(!found.contains(&"zebra".to_owned()));
    }

    #[test]
    fn where_nothing_is_alike_a_few_of_all_are_shown() {
        let all = (0..30).map(|n| format!("x{n}"));
        assert_eq!(near("completely-different", all).len(), 8);
    }

    #[test]
    fn a_name_is_shown_once() {
        assert_eq!(near("a", names(&["a", "a"])), names(&["a"]));
    }
}
