// C++ identifiers for the names of a model: the author's own wherever C++ allows it, so that generated code reads like
// the picture.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace lockstep::codegen {

// One scope of identifiers. add() gives each name an identifier that no other name of the scope has.
class NameScope {
 public:
    std::string add(std::string_view name);

 private:
    std::set<std::string> taken_;
};

// Letters, digits and underscores; no keyword, no leading digit, no reserved form.
std::string to_identifier(std::string_view name);

// A C++ string literal with the text's bytes.
std::string string_literal(std::string_view text);

// The text on one line of a comment: no line break, no backslash that would continue the comment.
std::string comment_text(std::string_view text);

}  // namespace lockstep::codegen
