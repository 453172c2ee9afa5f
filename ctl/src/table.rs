use crate::ui::Look;

/// Columns under titles, two spaces apart, as wide as their widest cell; where that is wider than the screen, one column
/// is cut, and the names of the first column get a line of their own. A name is never cut: it is there to be copied. Where
/// even that is too wide, columns are left out.
pub(crate) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// The column that may be cut.
    cut: usize,
    /// The columns that may be left out, the first one first.
    spare: &'static [usize],
}

/// What stands under one title in one row.
#[derive(Clone)]
pub(crate) struct Cell {
    text: String,
    look: Option<Look>,
}

impl Table {
    /// An empty table with these titles; where it gets too wide, the column with this number is cut.
    pub(crate) fn new(titles: Vec<&'static str>, cut: usize) -> Self {
        Self { titles, rows: Vec::new(), cut, spare: &[] }
    }

    /// The same table, whose columns with these numbers may be left out on a narrow screen: the first one first.
    pub(crate) fn sparing(mut self, spare: &'static [usize]) -> Self {
        self.spare = spare;
        self
    }

    /// Adds a row with a cell for each title.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.titles.len(), "a cell for each title");
        self.rows.push(cells);
    }

    /// The lines of the table, the titles first, none wider than this where that can be.
    pub(crate) fn lines(
        &self,
        width: Option<usize>,
        paint: impl Fn(&str, Look) -> String,
    ) -> Vec<String> {
        if let Some(narrower) = self.narrower(width) {
            return narrower.lines(width, paint);
        }
        let widths = self.widths(width);
        let titles: Vec<Cell> =
            self.titles.iter().map(|title| Cell::new(*title, Some(Look::Title))).collect();
        let mut lines = vec![line(&titles, &widths, &paint)];
        for row in &self.rows {
            let mut cells = row.clone();
            if long(&cells[0].text) > widths[0] {
                lines.push(std::mem::take(&mut cells[0].text));
            }
            cells[self.cut].text = cut(&cells[self.cut].text, widths[self.cut]);
            lines.push(line(&cells, &widths, &paint));
        }
        lines
    }

    /// The same table without the column that can be spared most, where it is too wide however much is cut.
    fn narrower(&self, width: Option<usize>) -> Option<Self> {
        let (spared, spare) = self.spare.split_first()?;
        if all(&self.widths(width)) <= width? {
            return None;
        }
        let without = |column: usize| column - usize::from(column > *spared);
        let mut titles = self.titles.clone();
        titles.remove(*spared);
        let mut rows = self.rows.clone();
        rows.iter_mut().for_each(|row| drop(row.remove(*spared)));
        // Where the column is gone that may be cut, the names are left to give room.
        let cut = if self.cut == *spared { 0 } else { without(self.cut) };
        // The numbers of those to be spared are those of the whole table: each stands behind all that go after it.
        debug_assert!(spare.iter().all(|column| column < spared), "from the right to the left");
        Some(Self { titles, rows, cut, spare })
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.titles.iter().map(|title| long(title)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(long(&cell.text));
            }
        }
        let Some(most) = width else { return widths };
        let wanted = widths[self.cut];
        for (column, least) in [(self.cut, LEAST_CUT), (0, long(self.titles[0]))] {
            let over = all(&widths).saturating_sub(most);
            let floor = least.min(widths[column]);
            widths[column] = widths[column].saturating_sub(over).max(floor);
        }
        // Names on a line of their own leave room: the first column is as wide as the names that stay in it.
        let staying =
            self.rows.iter().map(|row| long(&row[0].text)).filter(|own| *own <= widths[0]);
        widths[0] = staying.max().unwrap_or(0).max(long(self.titles[0]));
        let left = most.saturating_sub(all(&widths));
        widths[self.cut] = (widths[self.cut] + left).min(wanted);
        widths
    }
}

impl Cell {
    /// Text with a look of its own, or none.
    pub(crate) fn new(text: impl Into<String>, look: Option<Look>) -> Self {
        Self { text: text.into(), look }
    }
}

/// One line without trailing spaces; what is painted counts as wide as it looks.
fn line(cells: &[Cell], widths: &[usize], paint: &impl Fn(&str, Look) -> String) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for (cell, width) in cells.iter().zip(widths) {
        if !cell.text.is_empty() {
            line.push_str(&" ".repeat(gap));
            match cell.look {
                Some(look) => line.push_str(&paint(&cell.text, look)),
                None => line.push_str(&cell.text),
            }
            gap = 0;
        }
        gap += width.saturating_sub(long(&cell.text)) + GAP;
    }
    line
}

/// How wide a line is whose columns are so wide.
fn all(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * (widths.len() - 1)
}

fn cut(cell: &str, width: usize) -> String {
    if long(cell) <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches([' ', ',']))
}

fn long(text: &str) -> usize {
    text.chars().count()
}

/// Spaces between two columns.
const GAP: usize = 2;
/// What is left of the column that is cut: `3 pgAdmin, …`.
const LEAST_CUT: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, visits: &str) -> Table {
        let mut table = Table::new(vec!["TARGET", "PORT", "VISITS", "IDLE"], 2);
        table.row([name, "15432", visits, "-"].map(|text| Cell::new(text, None)).into());
        table.row(["a", "1", "-", "in 14 min"].map(|text| Cell::new(text, None)).into());
        table
    }

    fn plain(text: &str, _look: Look) -> String {
        text.into()
    }

    #[test]
    fn paint_takes_no_room() {
        let mut table = Table::new(vec!["A", "B"], 0);
        table.row(vec![Cell::new("x", Some(Look::Bad)), Cell::new("y", None)]);
        let lines = table.lines(Some(80), |text, look| format!("<{look:?} {text}>"));
        assert_eq!(lines, ["<Title A>  <Title B>", "<Bad x>  y"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_have_no_trailing_spaces() {
        let expected = [
            "TARGET   PORT   VISITS  IDLE",
            "prod-db  15432  1 psql  -",
            "a        1      -       in 14 min",
        ];
        assert_eq!(table("prod-db", "1 psql").lines(None, plain), expected);
        assert_eq!(table("prod-db", "1 psql").lines(Some(80), plain), expected);
    }

    #[test]
    fn the_visits_are_cut_first() {
        let lines = table("prod-db", "30 pgAdmin, 20 psql, 10 DBeaver").lines(Some(50), plain);
        let expected = [
            "TARGET   PORT   VISITS                   IDLE",
            "prod-db  15432  30 pgAdmin, 20 psql, 1…  -",
            "a        1      -                        in 14 min",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_long_name_gets_a_line_of_its_own_and_is_never_cut() {
        let name = "a-database-with-a-very-long-name-indeed";
        let lines = table(name, "30 pgAdmin, 20 psql, 10 DBeaver").lines(Some(48), plain);
        let expected = [
            "TARGET  PORT   VISITS                  IDLE",
            "a-database-with-a-very-long-name-indeed",
            "        15432  30 pgAdmin, 20 psql…    -",
            "a       1      -                       in 14 min",
        ];
        assert_eq!(lines, expected);
        assert!(lines.iter().all(|line| line.chars().count() <= 48));
    }

    #[test]
    fn columns_are_left_out_only_where_cutting_is_not_enough() {
        let sparing = || table("prod-db", "30 pgAdmin, 20 psql").sparing(&[3, 2]);
        let first = |width| sparing().lines(Some(width), plain).swap_remove(0);
        assert_eq!(first(39), "TARGET   PORT   VISITS        IDLE");
        assert_eq!(first(36), "TARGET   PORT   VISITS");
        assert_eq!(first(24), "TARGET   PORT");
        let lines = sparing().lines(Some(28), plain);
        assert_eq!(
            lines,
            ["TARGET   PORT   VISITS", "prod-db  15432  30 pgAdmin…", "a        1      -"]
        );
        assert_eq!(sparing().lines(None, plain)[1], "prod-db  15432  30 pgAdmin, 20 psql  -");
    }

    #[test]
    fn without_a_screen_nothing_is_cut() {
        let name = "a-database-with-a-very-long-name-indeed";
        let lines =
            table(name, "30 pgAdmin, 20 psql, 10 DBeaver, 5 python3, 1 mysql").lines(None, plain);
        assert!(lines[1].contains("1 mysql"), "{}", lines[1]);
        assert!(lines[1].starts_with(name), "{}", lines[1]);
    }
}
