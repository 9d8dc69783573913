# Reading in order over reading at random, past the page cache (O_DIRECT)
# Draws 01-sequential-random-direct.svg, 01-sequential-random-direct-narrow.svg and 01-sequential-random-direct.png from 01-sequential-random-direct.csv in this directory:
#   gnuplot 01-sequential-random-direct.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "01-sequential-random-direct.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column in the rows of one series, else nothing.
pick(series, place) = (strcol(2) eq series && strcol(3) eq "median") ? column(place) : NaN
ratio(unused) = shown(column(6)) . "×"
interval(unused) = sprintf("[%s, %s]", shown(column(7)), shown(column(8)))
hover(label) = sprintf("%s, %s: %s× [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A font is a string, and no expression.
  tick_font = narrow ? ",10" : ",12"
  ratio_font = narrow ? ",12" : ",16"
  interval_font = narrow ? ",8" : ",11"
  if (output eq "svg") {
    set terminal svg size 960,406 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "01-sequential-random-direct.svg"
  }
  if (narrow) {
    set terminal svg size 400,388 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "01-sequential-random-direct-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,406 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "01-sequential-random-direct.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Reading in order over reading at random, past the page cache (O_DIRECT)" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; [bootstrap 95 %] · standard profile · 20261125T233423Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Reading in order over reading at\nrandom, past the page cache (O_DIRECT)" font ",14"
    set label 2 "median of n = 7 · standard profile ·\n20261125T233423Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  unset key
  set border 0
  set tics out scale 0 textcolor rgb "#222222"
  set xrange [-0.5:3.5]
  set yrange [-0.5:2.5]
  set xtics ("512" 0, "4 KiB" 1, "64 KiB" 2, "1 MiB" 3) nomirror
  set ytics ("1" 0, "8" 1, "32" 2) nomirror
  set xlabel "bytes a block" offset 0,0.1
  set ylabel "blocks asked for at once" offset 0.6,0
  set palette defined (-1 "#E69F00", 0 "#ffffff", 1 "#56B4E9")
  set cbrange [-1:1]
  set cbtics ("0.1×" -1, "1×" 0, "10×" 1) font tick_font
  if (narrow) { set lmargin at screen 0.155; set rmargin at screen 0.815; set bmargin at screen 0.159794; set tmargin at screen 0.731959 } else { set lmargin at screen 0.095833; set rmargin at screen 0.875; set bmargin at screen 0.152709; set tmargin at screen 0.802956 }
  plot data skip 1 using (pick("1", 4)):(0):(pick("1", 4) - 0.48):(pick("1", 4) + 0.48):(0 - 0.46):(0 + 0.46):(log10(pick("1", 6))) with boxxyerror fs solid 1 border lc rgb "#cccccc" fc palette notitle, \
    data skip 1 using (pick("8", 4)):(1):(pick("8", 4) - 0.48):(pick("8", 4) + 0.48):(1 - 0.46):(1 + 0.46):(log10(pick("8", 6))) with boxxyerror fs solid 1 border lc rgb "#cccccc" fc palette notitle, \
    data skip 1 using (pick("32", 4)):(2):(pick("32", 4) - 0.48):(pick("32", 4) + 0.48):(2 - 0.46):(2 + 0.46):(log10(pick("32", 6))) with boxxyerror fs solid 1 border lc rgb "#cccccc" fc palette notitle, \
    data skip 1 using (pick("1", 4)):(0):(ratio(0)) with labels center offset 0,0.5 font ratio_font tc rgb "#111111" notitle, \
    data skip 1 using (pick("8", 4)):(1):(ratio(0)) with labels center offset 0,0.5 font ratio_font tc rgb "#111111" notitle, \
    data skip 1 using (pick("32", 4)):(2):(ratio(0)) with labels center offset 0,0.5 font ratio_font tc rgb "#111111" notitle, \
    data skip 1 using (pick("1", 4)):(0):(interval(0)) with labels center offset 0,-0.8 font interval_font tc rgb "#333333" notitle, \
    data skip 1 using (pick("8", 4)):(1):(interval(0)) with labels center offset 0,-0.8 font interval_font tc rgb "#333333" notitle, \
    data skip 1 using (pick("32", 4)):(2):(interval(0)) with labels center offset 0,-0.8 font interval_font tc rgb "#333333" notitle, \
    data skip 1 using (pick("1", 4)):(0):(hover("1")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe111111" notitle, \
    data skip 1 using (pick("8", 4)):(1):(hover("8")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe111111" notitle, \
    data skip 1 using (pick("32", 4)):(2):(hover("32")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe111111" notitle
  unset output
}
