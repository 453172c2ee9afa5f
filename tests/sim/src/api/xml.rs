//! Just enough XML to answer a query call.

/// XML being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xml {
    out: String,
}

impl Xml {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`.
    pub(crate) fn leaf(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.out.push_str(&format!("<{name}>{}</{name}>", escape(&value.to_string())));
        self
    }

    /// The same, if there is a value.
    pub(crate) fn some(self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.leaf(name, value),
            None => self,
        }
    }

    /// `<name>` with children in it.
    pub(crate) fn group(mut self, name: &str, children: Self) -> Self {
        self.out.push_str(&format!("<{name}>{}</{name}>", children.out));
        self
    }

    /// `<name>` with one `<item>` a child.
    pub(crate) fn list(
        self,
        name: &str,
        item: &str,
        children: impl IntoIterator<Item = Self>,
    ) -> Self {
        let all = children.into_iter().fold(Self::new(), |all, child| all.group(item, child));
        self.group(name, all)
    }

    /// `<name>` with one `<item>` a text.
    pub(crate) fn texts<T: std::fmt::Display>(
        self,
        name: &str,
        item: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> Self {
        let all = texts.into_iter().fold(Self::new(), |all, text| all.leaf(item, text));
        self.group(name, all)
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// Text as it may stand in XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
