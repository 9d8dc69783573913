# Writing 4 KiB blocks in order and at random
# Draws 01-sequential-random-writes.svg, 01-sequential-random-writes-narrow.svg and 01-sequential-random-writes.png from 01-sequential-random-writes.csv in this directory:
#   gnuplot 01-sequential-random-writes.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "01-sequential-random-writes.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 0 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 35 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,504 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "01-sequential-random-writes.svg"
  }
  if (narrow) {
    set terminal svg size 400,434 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "01-sequential-random-writes-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,504 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "01-sequential-random-writes.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Writing 4 KiB blocks in order and at random" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261125T233423Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Writing 4 KiB blocks in order and at\nrandom" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261125T233423Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.688 absolute
  set xrange [-0.6:4.6]
  set xtics ("sequential\nwrites, synced\nat the end" 0, "sequential\nwrites, synced\nby the MiB" 1, "random writes,\nsynced by the\nMiB" 2, "sequential\nwrites, each\nsynced" 3, "random writes,\neach synced" 4) font ",12"
  if (narrow) { set xtics ("sequential\nwrites,\nsynced at\nthe end" 0, "sequential\nwrites,\nsynced by\nthe MiB" 1, "random\nwrites,\nsynced by\nthe MiB" 2, "sequential\nwrites,\neach\nsynced" 3, "random\nwrites,\neach\nsynced" 4) font ",10" }
  set logscale y
  set ytics ("50" 50, "100" 100, "200" 200, "500" 500, "1000" 1000)
  if (narrow) { set ytics ("50" 50, "100" 100, "200" 200, "500" 500, "1000" 1000) }
  set yrange [22.213514:1849.860246]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.264977; set tmargin at screen 0.760369 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.214286; set tmargin at screen 0.869048 }
  unset arrow
  unset title
  set xlabel "order and sync" offset 0,screen (narrow ? -0.103687 : -0.071429)
  set ylabel "MB/s" offset 0,0
  plot data skip 1 using (pick("", "write-behind", "median", 4)):6 with points pt 7 ps 1.2 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "write-sequential", "median", 4)):6 with points pt 5 ps 1.2 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "write-random", "median", 4)):6 with points pt 9 ps 1.2 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "write-sequential-each", "median", 4)):6 with points pt 11 ps 1.2 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "write-random-each", "median", 4)):6 with points pt 13 ps 1.2 lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "write-behind", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "write-sequential", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "write-random", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "write-sequential-each", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "write-random-each", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "write-behind", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-sequential", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-random", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-sequential-each", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-random-each", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-behind", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-sequential", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-random", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-sequential-each", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-random-each", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "write-behind", "median", 4)):6:(hover("sequential writes, synced at the end")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "write-sequential", "median", 4)):6:(hover("sequential writes, synced by the MiB")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "write-random", "median", 4)):6:(hover("random writes, synced by the MiB")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "write-sequential-each", "median", 4)):6:(hover("sequential writes, each synced")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle, \
    data skip 1 using (pick("", "write-random-each", "median", 4)):6:(hover("random writes, each synced")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feE69F00" notitle
  # The x axis names every series.
  unset multiplot
  unset output
}
