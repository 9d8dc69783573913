# How long the broker takes to be warm after a restart, by its cache
# Draws 03-page-cache-broker-rewarm.svg, 03-page-cache-broker-rewarm-narrow.svg and 03-page-cache-broker-rewarm.png from 03-page-cache-broker-rewarm.csv in this directory:
#   gnuplot 03-page-cache-broker-rewarm.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "03-page-cache-broker-rewarm.csv"
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
  dotting = narrow && 42 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,492 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "03-page-cache-broker-rewarm.svg"
  }
  if (narrow) {
    set terminal svg size 400,452 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "03-page-cache-broker-rewarm-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,492 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "03-page-cache-broker-rewarm.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "How long the broker takes to be warm after a restart, by its cache" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261126T004312Z-3afb1ef" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "How long the broker takes to be warm\nafter a restart, by its cache" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T004312Z-3afb1ef" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.229333 absolute
  set xrange [-0.6:1.6]
  set xtics ("17" 0, "34" 1) font ",12"
  if (narrow) { set xtics ("17" 0, "34" 1) font ",10" }
  set logscale y
  set ytics ("5" 5, "10" 10, "20" 20, "50" 50, "100" 100)
  if (narrow) { set ytics ("5" 5, "10" 10, "20" 20, "50" 50, "100" 100) }
  set yrange [2.38447:170.545037]
  if (narrow) { set lmargin at screen 0.1995; set rmargin at screen 0.955; set bmargin at screen 0.294248; set tmargin at screen 0.769912 } else { set lmargin at screen 0.083125; set rmargin at screen 0.98125; set bmargin at screen 0.195122; set tmargin at screen 0.865854 }
  unset arrow
  unset title
  set xlabel "topic, MB" offset 0,screen (narrow ? 0 : 0)
  set ylabel "ms" offset 0,0
  plot data skip 1 using (pick("", "broker-page", "median", 4)):6 with points pt 7 ps 1.2 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "broker-boxed", "median", 4)):6 with points pt 5 ps 1.2 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "broker-compact", "median", 4)):6 with points pt 9 ps 1.2 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "broker-page", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "broker-boxed", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "broker-compact", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "broker-page", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "broker-boxed", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "broker-compact", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "broker-page", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "broker-boxed", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "broker-compact", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "broker-page", "median", 4)):6:(hover("broker, page cache")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "broker-boxed", "median", 4)):6:(hover("broker, objects")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "broker-compact", "median", 4)):6:(hover("broker, plain bytes")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.165929 : 0.077236)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 3 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with points pt 7 ps 1.2 lc rgb "#0072B2" title "broker, page cache", \
    keyentry with points pt 5 ps 1.2 lc rgb "#D55E00" title "broker, objects", \
    keyentry with points pt 9 ps 1.2 lc rgb "#009E73" title "broker, plain bytes"
  unset multiplot
  unset output
}
