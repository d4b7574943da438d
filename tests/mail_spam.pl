# Asks SpamAssassin about messages, by its local rules alone. Arguments: a folder it may write in,
# the folders of its rules and of the site's, then one file per message. Prints a line per
# message: its score, then the rules that gave it.
use strict;
use warnings;
use Mail::SpamAssassin;

my ( $home, $rules, $site, @messages ) = @ARGV;
my $judge = Mail::SpamAssassin->new(
    {
        rules_filename      => $rules,
        site_rules_filename => $site,
        userprefs_filename  => "$home/none",
        userstate_dir       => $home,
        home_dir_for_helpers => $home,
        local_tests_only    => 1,
        dont_copy_prefs     => 1,
        debug               => 'none',
    }
);
for my $file (@messages) {
    open my $opened, '<:raw', $file or die "$file: $!";
    my @lines   = <$opened>;
    my $message = $judge->parse( \@lines, 1 );
    my $status  = $judge->check($message);
    print $status->get_score, ' ', $status->get_names_of_tests_hit, "\n";
    $status->finish;
    $message->finish;
}
