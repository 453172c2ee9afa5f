/// IAM's wildcards: `*` any text, `?` any one character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(one) if *one == '?' || *one == text[read] => {
                at += 1;
                read += 1;
            }
            Some(_) | None => {
                // The last star takes one more character.
                let Some((from, taken)) = star else { return false };
                star = Some((from, taken + 1));
                at = from + 1;
                read = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|one| *one == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_takes_any_text_and_a_question_mark_one_character() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "anything:at/all"),
            ("ecs:Describe*", "ecs:DescribeTasks"),
            ("arn:aws:ssm:*:*:session/me-*", "arn:aws:ssm:eu-west-1:1:session/me-0a1b"),
            ("a*b*c", "a-b-b-c"),
            ("task/?", "task/1"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "x"),
            ("ecs:Describe", "ecs:DescribeTasks"),
            ("a*b", "a-b-c"),
            ("task/?", "task/"),
            ("*/prod", "task/dev"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
